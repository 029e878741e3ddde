"""The permutohedral lattice of an image: the corners that each pixel touches, and which follow each other along axes.

Far fewer simplices than pixels are in use, and fewer corners than simplices. So simplices are told apart first, and
only the corners of each are looked up. They are numbered as they appear, so that pixels near each other find theirs
near each other. Number 0 is a corner without value, where chains of neighbours end.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from intarsia.kernels.compiled import in_place
from intarsia.kernels.memory import require_memory
from intarsia.kernels.permutohedral.distinct import Distinct, distinct, look_up
from intarsia.kernels.permutohedral.simplices import (
    BLOCK,
    RANK_BITS,
    Levels,
    Packing,
    Scratch,
    embed,
    gather,
    lifting,
    packing_of,
    scratch_of,
)
from intarsia.kernels.vectors.arithmetic import address_of, zeros8
from intarsia.kernels.vectors.rows import transpose
from intarsia.kernels.vectors.vector_type import aligned

END = 24  # corners of chains that a blur asks for ahead
LANES = 8  # floats of a pixel's weights and numbers of a simplex's corners: most are seven dimensions
_MOST = (1 << RANK_BITS) - 1  # the largest r or rank


class ImageLattice(NamedTuple):
    """Corners are rows of values; row 0 stays 0."""

    which: Int32[np.ndarray, "N"]  # simplex of each pixel
    simplices: Int32[np.ndarray, "S 8"]  # the rows of the corners of each, filled up with 0
    weights: Float32[np.ndarray, "N 8"]  # of the corners, with the sum 1, filled up with 0
    corners: int  # of a simplex
    chains: Int32[
        np.ndarray, "n"
    ]  # of neighbours along one axis after the other, each with a 0 at its end; some more 0 behind
    rows: int  # of values: the corners and row 0


def image_lattice(levels: Levels, width: int, sxy: float, srgb: float) -> ImageLattice | None:
    """Of features (x / sxy, y / sxy, levels / srgb), for up to five channels.

    None if their range is too wide for keys of 63 bits.
    """
    count, channels = levels.shape
    scales = np.array([1 / sxy, 1 / sxy] + [1 / srgb] * channels, np.float32)
    highest = np.empty(channels, np.float32)
    _range(levels, highest)
    size = np.array([width - 1, count // width - 1, *highest], np.float32)
    packing = packing_of(scales, size)
    if packing is None:
        return None
    corners = channels + 3
    weights, keys = aligned(count + LANES, LANES)[:count], np.empty(count, np.int64)
    _embed_all(levels, width, lifting(scales), packing, scratch_of(len(scales)), aligned(LANES, BLOCK), keys, weights)
    known, which = distinct(keys, count // 4)
    named = known.keys
    del known, keys  # the table and the names of simplices are large, and not needed any more
    require_memory(12 * corners * len(named), f"A lattice of {len(named):,} simplices")
    found, rows = distinct(_corners(named, packing).reshape(-1), count // 16, 1, corners)
    simplices = np.zeros((len(named), LANES), np.int32)
    simplices[:, :corners] = rows.reshape(-1, corners)
    return ImageLattice(which, simplices, weights, corners, _chains(found, packing), len(found.keys))


@in_place
def _range(levels: Levels, highest: Float32[np.ndarray, "C"]) -> None:
    """Up from 0: another origin would place the image elsewhere in the lattice, which errs differently there."""
    for c in range(levels.shape[1]):
        most = levels[0, c]
        for i in range(len(levels)):
            most = max(most, levels[i, c])
        highest[c] = most


@in_place
def _embed_all(
    levels: Levels,
    width: int,
    lift: Float32[np.ndarray, "D d"],
    packing: Packing,
    scratch: Scratch,
    planes: Float32[np.ndarray, "8 n"],
    keys: Int64[np.ndarray, "N"],
    weights: Float32[np.ndarray, "N 8"],
) -> None:
    """Blocks of pixels; weights are turned from a plane a corner to a row a pixel, and seven rows behind are theirs."""
    line, row = 4 * planes.shape[1], 4 * LANES
    for start in range(0, len(levels), BLOCK):
        count = min(BLOCK, len(levels) - start)
        gather(levels, width, start, count, scratch.features)
        embed(scratch, count, lift, packing, keys[start : start + count], planes)
        for i in range(0, count, LANES):
            transpose(address_of(planes) + 4 * i, line, address_of(weights) + row * (start + i), row, zeros8())


def _corners(simplices: Int64[np.ndarray, "S"], packing: Packing) -> Int64[np.ndarray, "S D"]:
    result = np.empty((len(simplices), len(packing.shifts) + 1), np.int64)
    _corners_of(simplices, packing, result, np.empty(_MOST + 1, np.int64))
    return result


@in_place
def _corners_of(
    simplices: Int64[np.ndarray, "S"],
    packing: Packing,
    corners: Int64[np.ndarray, "S D"],
    drops: Int64[np.ndarray, "8"],
) -> None:
    """From one corner of a simplex to the next r grows, and u shrinks at one axis: smallest rest first."""
    dimensions = len(packing.shifts)
    for s in range(len(simplices)):
        corner, ranks = simplices[s] & ((1 << packing.ranks) - 1), simplices[s] >> packing.ranks
        for r in range(dimensions + 1):
            drops[r] = 0  # stays so for the rank of the last axis, which a key does not hold
        for a in range(dimensions):
            drops[ranks & _MOST] = 1 << packing.shifts[a]
            ranks >>= RANK_BITS
        for r in range(dimensions + 1):
            corners[s, r] = corner
            corner += 1 - drops[dimensions - r]


def _chains(found: Distinct, packing: Packing) -> Int32[np.ndarray, "n"]:
    """A step along axis j adds 1 to all coordinates but j, from which it takes d.

    In (r, u) that is r + 1 and one u less at j; where r + 1 is d + 1, all u but that of j grow and r begins again.
    """
    dimensions, keys = len(packing.shifts), found.keys[1:]
    units = [*(1 << packing.shifts), 0]  # the last axis is not stored
    onwards = keys + np.where(keys & _MOST == dimensions, np.int64(sum(units) - dimensions), np.int64(1))
    following, led = np.zeros(len(found.keys), np.int32), np.zeros(len(found.keys), np.bool_)
    room = np.empty(2 * len(found.keys), np.int32)  # a chain has two corners at least, and an end
    axes = []
    for unit in units:
        following[1:] = look_up(found, onwards - unit)
        axes.append(room[: _follow(following, led, room)].copy())
    return np.concatenate([*axes, np.zeros(END, np.int32)])


@in_place
def _follow(following: Int32[np.ndarray, "V"], led: Bool[np.ndarray, "V"], chains: Int32[np.ndarray, "n"]) -> int:
    """Chains from the corner after which comes each corner, or 0; how long they are together."""
    for corner in range(len(led)):
        led[corner] = False
    for corner in range(len(led)):
        led[following[corner]] = True
    length = 0
    for first in range(1, len(led)):
        corner = following[first]
        if corner and not led[first]:
            chains[length] = first
            length += 1
            while corner:
                chains[length] = corner
                length += 1
                corner = following[corner]
            chains[length] = 0
            length += 1
    return length
