"""Spatial propagation, pixel by pixel, in float64."""

import numpy as np

STEPS = {"left_to_right": (0, 1), "right_to_left": (0, -1), "top_to_bottom": (1, 0), "bottom_to_top": (-1, 0)}


def spatial_propagation(
    x: np.ndarray, gates: np.ndarray, direction: str, normalisation: str | None = "where_needed"
) -> np.ndarray:
    """x: (B, C, H, W); gates: (B, 3 or 1, C or 1, H, W)."""
    batch, channels, height, width = x.shape
    down, right = STEPS[direction]
    h = np.zeros(x.shape)
    rows = range(height) if down >= 0 else range(height - 1, -1, -1)
    columns = range(width) if right >= 0 else range(width - 1, -1, -1)
    places = [(i, j) for i in rows for j in columns] if down else [(i, j) for j in columns for i in rows]
    for b in range(batch):
        for c in range(channels):
            for i, j in places:
                g = [float(value) for value in gates[b, :, c if gates.shape[2] > 1 else 0, i, j]]
                total = sum(abs(value) for value in g)
                if (normalisation == "where_needed" and total >= 1) or (normalisation == "always" and total > 0):
                    g = [value / total for value in g]
                own, carried = 1.0, 0.0
                for gate, side in zip(g, (-1, 0, 1) if len(g) == 3 else (0,), strict=True):
                    # one line back, and one up or down (left or right where lines are rows)
                    from_i = i - down + (side if right else 0)
                    from_j = j - right + (side if down else 0)
                    if 0 <= from_i < height and 0 <= from_j < width:
                        own -= gate
                        carried += gate * h[b, c, from_i, from_j]
                h[b, c, i, j] = own * x[b, c, i, j] + carried
    return h
