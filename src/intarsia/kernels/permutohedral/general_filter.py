"""Filtering on a permutohedral lattice that is there: from points to corners, among corners, and back."""

import numpy as np
from jaxtyping import Float, Float32, Int32

from intarsia.kernels.compiled import compiled

_HALF = np.float32(0.5)


@compiled
def splat(
    offsets: Int32[np.ndarray, "N d+1"],
    weights: Float32[np.ndarray, "N d+1"],
    before: Float[np.ndarray, " N"],
    values: Float[np.ndarray, "N C"],
    corners: Float[np.ndarray, "M+1 C"],
) -> None:
    """Add each point's values to the corners around it."""
    for i in range(len(offsets)):
        for corner in range(offsets.shape[1]):
            share, own, target = before[i] * weights[i, corner], values[i], corners[offsets[i, corner]]
            for c in range(len(own)):
                target[c] += share * own[c]


@compiled
def blur(
    steps: Int32[np.ndarray, "d+1 M 2"],
    corners: Float[np.ndarray, "M+1 C"],
    room: Float[np.ndarray, "M+1 C"],
    transposed: bool,
) -> Float[np.ndarray, "M+1 C"]:
    """Add half of both neighbours along one axis after the other; in one of the two arrays given."""
    axes = len(steps)
    for turn in range(axes):
        axis = axes - 1 - turn if transposed else turn
        for vertex in range(steps.shape[1]):
            own, target = corners[vertex], room[vertex]
            first, second = corners[steps[axis, vertex, 0]], corners[steps[axis, vertex, 1]]
            for c in range(len(own)):
                target[c] = own[c] + _HALF * (first[c] + second[c])
        corners, room = room, corners
    return corners


@compiled
def slice_off(
    offsets: Int32[np.ndarray, "N d+1"],
    weights: Float32[np.ndarray, "N d+1"],
    after: Float[np.ndarray, " N"],
    corners: Float[np.ndarray, "M+1 C"],
    values: Float[np.ndarray, "N C"],
) -> None:
    """Add to each point what the corners around it hold."""
    for i in range(len(offsets)):
        for corner in range(offsets.shape[1]):
            share, target, own = after[i] * weights[i, corner], values[i], corners[offsets[i, corner]]
            for c in range(len(own)):
                target[c] += share * own[c]
