"""How the affinity field of an image lies in memory.

A few rows of maps are held in the core's cache: those that the row in the middle has its neighbours in. The row that
enters takes the place of the one that leaves. Rows have room on both sides, so that neighbours beyond the border may be
read; what is read there is finite and counts zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int32, Int64

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.lanes import Flat
from intarsia.kernels.vectors.vector_type import LINE, aligned

LEAST = 1e-4  # probabilities, and what they leave of one, are at least this before a logarithm is taken
NONE = -1  # the class of pixels that are ignored or outside

PLAIN, CLIPPED, LOG, REST, LOG_REST, INNER = range(6)  # maps: p; p and 1 - p from LEAST on, each with its logarithm,
MAPS = 6  # and the sum of both products with their logarithms
DOWN, RIGHT = (0, 0, 1, -1, 1, -1, 1, -1), (1, -1, -1, 1, 0, 0, 1, -1)  # to neighbours, opposite ones side by side

KNOWN, CLASS, WEIGHTS = 0, 1, 2  # planes: 1 where a pixel has a class; it; then weights, first those beside edges

Codes = Int32[np.ndarray, "rows stride"]


class Field(NamedTuple):
    """One image's, and room to work in."""

    classes: int
    height: int
    width: int
    reach: int
    """The largest offset: rows and columns that neighbours lie away."""
    left: int
    """Numbers before a row's first pixel."""
    stride: int
    plane: int
    """Numbers in a plane."""
    margin: float
    offsets: Int64[np.ndarray, " S"]
    maps: Flat
    """Rows in turn, in each its classes, in each six maps."""
    planes: Flat
    """Of the whole image and twice the reach around it."""
    room: Flat
    """A row of every class; then what a block of pixels takes."""
    shifts: Int64[np.ndarray, "S 8"]
    """From a place in the maps to that of each neighbour, for the row in the middle."""
    seen: Int64[np.ndarray, " K"]


def padded_codes(labels: Int[np.ndarray, "B H W"], reach: int, itemsize: int, ignore: int) -> Int32[np.ndarray, "..."]:
    """Classes with twice the reach around, in rows as long as those of the maps."""
    batch, height, width = labels.shape
    left, stride = _columns(width, reach, itemsize)
    codes = np.full((batch, height + 4 * reach, stride), NONE, np.int32)
    inner = codes[:, 2 * reach : 2 * reach + height, left : left + width]
    inner[...] = np.where(labels == ignore, NONE, labels)
    return codes


def _columns(width: int, reach: int, itemsize: int) -> tuple[int, int]:
    lanes = LINE // itemsize
    left = -(-2 * reach // lanes) * lanes
    return left, 2 * left + -(-width // lanes) * lanes


def field_of(
    codes: Codes, width: int, offsets: Sequence[int], margin: float, tables: Float[np.ndarray, "2 K S"]
) -> Field:
    """For one image; tables hold what an entry counts in the mean, beside edges and on them."""
    reach, classes, lanes = max(offsets), tables.shape[1], LINE // tables.itemsize
    left, stride = _columns(width, reach, tables.itemsize)
    height, sizes = len(codes) - 4 * reach, len(offsets)
    planes = aligned(WEIGHTS + 2 * sizes, *codes.shape, dtype=tables.dtype)
    planes[KNOWN], planes[CLASS] = codes != NONE, codes
    by_code = np.concatenate([tables, np.zeros_like(tables[:, :1])], 1)  # NONE is the last
    for place, table in enumerate(by_code):
        for size in range(sizes):
            np.take(table[:, size], codes, mode="wrap", out=planes[WEIGHTS + place * sizes + size])
    return Field(
        classes, height, width, reach, left, stride, codes.size, margin, np.array(offsets),
        maps=aligned((2 * reach + 1) * classes * MAPS * stride, dtype=tables.dtype),
        planes=planes.reshape(-1),
        room=aligned(classes * stride + (22 * sizes + 5) * lanes, dtype=tables.dtype),
        shifts=np.empty((sizes, 8), np.int64),
        seen=np.empty(classes, np.int64),
    )  # fmt: skip


@in_place
def count_pairs(codes: Codes, reach: int, offsets: Int64[np.ndarray, " S"], counts: Int64[np.ndarray, "S 2"]) -> None:
    """Adds an image's pairs of two classes and of one to the counts of each distance."""
    rows, stride = codes.shape
    for size in range(len(offsets)):
        offset = offsets[size]
        for axis in range(4):
            down, right = DOWN[2 * axis] * offset, RIGHT[2 * axis] * offset
            for i in range(2 * reach, rows - 2 * reach):
                two, one = 0, 0
                for j in range(2 * reach, stride - 2 * reach):
                    own = codes[i, j]
                    there = codes[i + down, j + right]
                    back = codes[i - down, j - right]
                    valid = (own >= 0) & (there >= 0) & (back >= 0)
                    two += valid & (own != there)
                    two += valid & (own != back)
                    one += valid & (own == there)
                    one += valid & (own == back)
                counts[size, 0] += two
                counts[size, 1] += one
