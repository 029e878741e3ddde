"""What mean field does at each position by itself, once the messages of all others are there."""

import numpy as np
from jaxtyping import Float32

from intarsia.kernels.compiled import compiled
from intarsia.kernels.exponential import exponential

_BLOCK = 512  # numbers worked on at once, which stay in the first cache
_ONE, _HALF, _TINY = np.float32(1), 0.5, 1e-20


@compiled
def mix_classes(messages: Float32[np.ndarray, "N K"], compatibility: Float32[np.ndarray, "K K"]) -> None:
    """Replace each row m by -μ m."""
    classes = messages.shape[1]
    mixed = np.empty(classes, np.float32)
    for i in range(len(messages)):
        row = messages[i]
        mixed[:] = 0
        for other in range(classes):
            penalties, weight = compatibility[other], row[other]  # μᵀ by rows, which lie together
            for k in range(classes):
                mixed[k] -= penalties[k] * weight
        row[:] = mixed


@compiled
def update(
    unary: Float32[np.ndarray, "N K"], messages: Float32[np.ndarray, "N K"], probabilities: Float32[np.ndarray, "N K"]
) -> None:
    """The softmax of unary + messages, at each position."""
    count, classes = unary.shape
    rows = max(1, _BLOCK // classes)
    logits, room = np.empty(rows * classes, np.float32), np.empty(rows * classes, np.float32)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        part = logits[: (stop - start) * classes]
        for i in range(start, stop):
            own, first, second = part[(i - start) * classes : (i - start + 1) * classes], unary[i], messages[i]
            for k in range(classes):
                own[k] = first[k] + second[k]
            largest = own[0]
            for k in range(classes):
                largest = max(largest, own[k])
            for k in range(classes):
                own[k] -= largest
        exponential(part, room)
        for i in range(start, stop):
            own, target = part[(i - start) * classes : (i - start + 1) * classes], probabilities[i]
            total = np.float32(0)
            for k in range(classes):
                total += own[k]
            inverse = _ONE / total
            for k in range(classes):
                target[k] = own[k] * inverse


@compiled
def divergence(
    unary: Float32[np.ndarray, "N K"], messages: Float32[np.ndarray, "N K"], probabilities: Float32[np.ndarray, "N K"]
) -> float:
    """Σ Q (log Q - unary - ½ messages), where the messages are those of Q itself."""
    total = 0.0
    for i in range(len(unary)):
        row = 0.0
        for k in range(unary.shape[1]):
            q = np.float64(probabilities[i, k])
            row += q * (np.log(max(q, _TINY)) - unary[i, k] - _HALF * messages[i, k])
        total += row
    return total
