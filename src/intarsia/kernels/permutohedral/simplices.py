"""Where points lie in the permutohedral lattice: the simplex around each, as a number, and the weights of its corners.

Adams, Baek & Davis 2010, section 3. A point with d coordinates is lifted to d + 1 coordinates whose sum is 0. Rounded
to multiples of d + 1 they are `base` (here divided by d + 1: v); the order of the rests, largest first, is `rank`.
Together they say which simplex. Its corner r, of d + 1, has coordinates (d + 1) u + r with u = v - [rank > d - r].

Blocks of pixels go through each step together, one plane of memory a coordinate, so that loops become vector
instructions: orders come from comparing all pairs, weights from a network that sorts all pixels in the same way.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from intarsia.kernels.compiled import in_place

Levels = UInt8[np.ndarray, "N C"] | Float32[np.ndarray, "N C"]

BLOCK = 512  # pixels, whose planes stay in the first cache
RANK_BITS, KEY_BITS = 3, 63  # ranks and r are below 8: up to 7 dimensions; a key is an int64 above 0
_HALF, _ZERO, _ONE = np.float32(0.5), np.float32(0), np.float32(1)


class Packing(NamedTuple):
    """How one int64 holds a corner's r and u (all but the last, which the others imply), and above them the ranks."""

    lowest: Int32[np.ndarray, "d"]  # what is taken off v
    shifts: Int64[np.ndarray, "d"]  # where each coordinate begins; r lies in the lowest three bits
    ranks: int  # where the ranks begin, three bits each


def packing_of(scales: Float32[np.ndarray, "d"], largest: Float32[np.ndarray, "d"]) -> Packing | None:
    """For features from 0 to `largest` times `scales`; None if 63 bits do not hold all corners and their neighbours.

    A coordinate takes as many bits as it needs, with room for a corner's -1, for neighbours and for rounding.
    """
    d = len(scales)
    lift = lifting(scales)
    low, high = (np.minimum(lift, 0) @ largest)[:-1], (np.maximum(lift, 0) @ largest)[:-1]
    lowest = np.floor(low) - 4
    widths = np.ceil(np.log2(np.ceil(high) + 4 - lowest)).astype(np.int64)
    shifts = RANK_BITS + np.cumsum(widths) - widths
    ranks = int(RANK_BITS + widths.sum())
    if d >= 1 << RANK_BITS or ranks + RANK_BITS * d > KEY_BITS:
        return None
    return Packing(lowest.astype(np.int32), shifts, ranks)


def lifting(scales: Float32[np.ndarray, "d"]) -> Float32[np.ndarray, "D d"]:
    """The matrix that takes unscaled features to lifted coordinates over d + 1, D = d + 1.

    The lattice's blur has a standard deviation of (d + 1) √(2/3), which the scales of the axes turn into 1.
    """
    d = len(scales)
    result = np.zeros((d + 1, d))
    for j in range(d):
        result[: j + 1, j] = 1
        result[j + 1, j] = -(j + 1)
        result[:, j] *= np.sqrt(2 / 3) / np.sqrt((j + 1) * (j + 2)) * scales[j]
    return result.astype(np.float32)


class Scratch(NamedTuple):
    """Planes for one block of pixels."""

    features: Float32[np.ndarray, "d n"]
    rests: Float32[np.ndarray, "D n"]
    bases: Float32[np.ndarray, "D n"]
    orders: Int32[np.ndarray, "D n"]
    sums: Float32[np.ndarray, "n"]


def scratch_of(d: int) -> Scratch:
    """For features of d dimensions."""
    features, rests, bases = (np.zeros((n, BLOCK), np.float32) for n in (d, d + 1, d + 1))
    return Scratch(features, rests, bases, np.zeros((d + 1, BLOCK), np.int32), np.zeros(BLOCK, np.float32))


@in_place
def gather(
    levels: Levels,
    width: int,
    start: int,
    count: int,
    features: Float32[np.ndarray, "d n"],
) -> None:
    """The features x, y and levels, of `count` pixels from `start` on, in rows of `width`."""
    columns, rows = features[0], features[1]
    y, x = start // width, start % width
    for i in range(count):
        columns[i], rows[i] = x, y
        x += 1
        if x == width:
            x, y = 0, y + 1
    for c in range(levels.shape[1]):
        plane = features[2 + c]
        for i in range(count):
            plane[i] = levels[start + i, c]


@in_place
def embed(
    scratch: Scratch,
    count: int,
    lift: Float32[np.ndarray, "D d"],
    packing: Packing,
    keys: Int64[np.ndarray, " n"],
    weights: Float32[np.ndarray, "D n"],
) -> None:
    """Keys of the simplices around the first `count` features, and the weights of their corners."""
    dimensions = len(scratch.features)
    _round(scratch, count, lift)
    _rank(scratch.rests, scratch.bases, scratch.orders, scratch.sums, count)
    for i in range(count):
        keys[i] = 0
    for a in range(dimensions):
        base, order = scratch.bases[a], scratch.orders[a]
        lowest, shift, above = np.float32(packing.lowest[a]), packing.shifts[a], packing.ranks + RANK_BITS * a
        for i in range(count):
            keys[i] += (np.int64(np.int32(base[i] - lowest)) << shift) + (np.int64(order[i]) << above)
    _sort(scratch.rests, count)
    for i in range(count):
        weights[0, i] = _ONE + scratch.rests[dimensions, i] - scratch.rests[0, i]
    for r in range(1, dimensions + 1):
        above, below, weight = scratch.rests[dimensions - r], scratch.rests[dimensions - r + 1], weights[r]
        for i in range(count):
            weight[i] = above[i] - below[i]


@in_place
def _round(scratch: Scratch, count: int, lift: Float32[np.ndarray, "D d"]) -> None:
    """Lifts, and splits what comes out into the nearest whole number and a rest."""
    sums = scratch.sums
    for i in range(count):
        sums[i] = _ZERO
    for a in range(len(lift)):
        rest, base = scratch.rests[a], scratch.bases[a]
        for i in range(count):
            rest[i] = _ZERO
        for j in range(max(a - 1, 0), lift.shape[1]):
            feature, factor = scratch.features[j], lift[a, j]
            for i in range(count):
                rest[i] += factor * feature[i]
        for i in range(count):
            base[i] = np.floor(rest[i] + _HALF)
            rest[i] -= base[i]
            sums[i] += base[i]


@in_place
def _rank(
    rests: Float32[np.ndarray, "D n"],
    bases: Float32[np.ndarray, "D n"],
    orders: Int32[np.ndarray, "D n"],
    sums: Float32[np.ndarray, "n"],
    count: int,
) -> None:
    """How many rests are larger; then the bases' sum is brought to 0 by those that were rounded most wrongly."""
    last = np.int32(len(rests) - 1)
    for a in range(len(rests)):
        order = orders[a]
        for i in range(count):
            order[i] = 0
    for a in range(len(rests)):
        for b in range(a + 1, len(rests)):
            left, right, first, second = rests[a], rests[b], orders[a], orders[b]
            for i in range(count):
                behind = np.int32(left[i] < right[i])
                first[i] += behind
                second[i] += np.int32(1) - behind
    for a in range(len(rests)):
        rest, base, order = rests[a], bases[a], orders[a]
        for i in range(count):
            moved = order[i] + np.int32(sums[i])
            step = np.int32(moved < 0) - np.int32(moved > last)
            order[i] = moved + step * (last + np.int32(1))
            base[i] += np.float32(step)
            rest[i] -= np.float32(step)


@in_place
def _sort(rests: Float32[np.ndarray, "D n"], count: int) -> None:
    """Largest first, by exchanging neighbours, odd and even places in turn."""
    for turn in range(len(rests)):
        for a in range(turn % 2, len(rests) - 1, 2):
            upper, lower = rests[a], rests[a + 1]
            for i in range(count):
                larger, smaller = max(upper[i], lower[i]), min(upper[i], lower[i])
                upper[i], lower[i] = larger, smaller
