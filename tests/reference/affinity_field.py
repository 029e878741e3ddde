"""The affinity field loss, pair by pair and class by class, in float64."""

import math

import numpy as np


def affinity_field_loss(
    logits: np.ndarray,
    labels: np.ndarray,
    sizes: tuple[int, ...] = (3, 5, 7),
    margin: float = 3.0,
    edge_weights: np.ndarray | None = None,
    not_edge_weights: np.ndarray | None = None,
    ignore: int = 255,
) -> float:
    """logits: (B, K, H, W); labels: (B, H, W); weights: (K, sizes), raw."""
    batch, classes, height, width = logits.shape
    probabilities = [
        [[_softmax(logits[n, :, i, j]) for j in range(width)] for i in range(height)] for n in range(batch)
    ]
    loss = 0.0
    for place, size in enumerate(sizes):
        on_edges, elsewhere = [], []
        for n in range(batch):
            for i in range(height):
                for j in range(width):
                    for down in (-1, 0, 1):
                        for right in (-1, 0, 1):
                            step_i, step_j = down * (size // 2), right * (size // 2)
                            if down == right == 0 or not all(
                                0 <= i + sign * step_i < height
                                and 0 <= j + sign * step_j < width
                                and labels[n, i + sign * step_i, j + sign * step_j] != ignore
                                for sign in (0, 1, -1)
                            ):
                                continue
                            own, other = int(labels[n, i, j]), int(labels[n, i + step_i, j + step_j])
                            centre, neighbour = probabilities[n][i][j], probabilities[n][i + step_i][j + step_j]
                            for c in range(classes):
                                divergence = _divergence(neighbour[c], centre[c])
                                if (own == c) != (other == c):
                                    weight = _weight(edge_weights, own, place)
                                    on_edges.append(weight * max(0.0, margin - divergence))
                                else:
                                    elsewhere.append(_weight(not_edge_weights, own, place) * divergence)
        for entries in (on_edges, elsewhere):
            loss += math.fsum(entries) / len(entries) if entries else 0.0
    return loss


def _softmax(logits: np.ndarray) -> list[float]:
    largest = float(max(logits))
    powers = [math.exp(float(value) - largest) for value in logits]
    return [power / math.fsum(powers) for power in powers]


def _divergence(neighbour: float, centre: float) -> float:
    """Of the centre's probability of a class from the neighbour's, two outcomes each."""
    total = 0.0
    for q, p in ((neighbour, centre), (1 - neighbour, 1 - centre)):
        q, p = min(1.0, max(1e-4, q)), min(1.0, max(1e-4, p))
        total += q * math.log(q / p)
    return total


def _weight(raw: np.ndarray | None, own: int, place: int) -> float:
    return 1.0 if raw is None else _softmax(raw[own])[place]
