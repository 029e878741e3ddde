"""Convolutional spatial propagation, pixel by pixel, in float64."""

import numpy as np


def convolutional_propagation(
    h0: np.ndarray,
    guidance: np.ndarray,
    steps: int,
    kernel_size: int,
    *,
    absolute: bool,
    centre: str,
    layout: str,
    sparse: np.ndarray | None = None,
    measured: str = "kept",
) -> np.ndarray:
    """h0: (B, C, H, W); guidance: (B, kernel_size² - 1, H, W); sparse: like h0, zero where nothing was measured."""
    batch, channels, height, width = h0.shape
    radius = kernel_size // 2
    around = [(i, j) for i in range(-radius, radius + 1) for j in range(-radius, radius + 1) if (i, j) != (0, 0)]
    if layout == "shifted":
        around = [(-i, -j) for i, j in around]
    result = np.zeros(h0.shape)
    for b in range(batch):
        weights = {}
        for y in range(height):
            for x in range(width):
                found = {}
                for k, (i, j) in enumerate(around):
                    if 0 <= y + i < height and 0 <= x + j < width:
                        g = float(guidance[b, k, y + i, x + j] if layout == "shifted" else guidance[b, k, y, x])
                        found[i, j] = abs(g) if absolute else g
                total = sum(abs(g) for g in found.values())
                weights[y, x] = {at: g / total if total > 0 else 0.0 for at, g in found.items()}
        for c in range(channels):
            h = h0[b, c].copy()
            for _ in range(steps):
                new = np.zeros_like(h)
                for (y, x), found in weights.items():
                    own = h0[b, c, y, x] if centre == "initial" else h[y, x]
                    new[y, x] = (1 - sum(found.values())) * own
                    new[y, x] += sum(weight * h[y + i, x + j] for (i, j), weight in found.items())
                    if sparse is not None and any(sparse[b, :, y, x] != 0):
                        measurement = sparse[b, c, y, x]
                        values = {"kept": h0[b, c, y, x], "replaced": measurement}
                        new[y, x] = values.get(measured, (new[y, x] + measurement) / 2)
                h = new
            result[b, c] = h
    return result
