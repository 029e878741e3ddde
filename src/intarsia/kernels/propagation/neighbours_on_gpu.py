# ruff: noqa: ANN201 - Triton compiles all of these
"""A line in the registers of a warp or a few, on a GPU (Triton): its places, and what stands beside each of them.

With WOVEN a thread holds places side by side, so that most neighbours are its own.
"""

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def line_of(tile, k: tl.constexpr, BACKWARDS: tl.constexpr):
    """Column k of a tile, or the k-th from behind, from registers."""
    if tile.shape[1] == 1:
        return tl.reshape(tile, (tile.shape[0],))
    else:
        even, odd = tl.split(tl.reshape(tile, (tile.shape[0], tile.shape[1] // 2, 2)))
        if (k % 2 == 0) != BACKWARDS:
            return line_of(even, k // 2, BACKWARDS)
        else:
            return line_of(odd, k // 2, BACKWARDS)


@triton.jit
@no_type_check
def places_of(SIZE: tl.constexpr, SEAM: tl.constexpr, WOVEN: tl.constexpr):
    """The place in its line that each number of a block stands for."""
    if WOVEN and SIZE > SEAM:
        even = 2 * places_of(SIZE // 2, SEAM, WOVEN)
        return _woven(even, even + 1, WOVEN)
    else:
        return tl.arange(0, SIZE)


@triton.jit
@no_type_check
def _unwoven(line, WOVEN: tl.constexpr):
    """Even places and odd ones."""
    if WOVEN:
        return tl.split(tl.trans(tl.reshape(line, (2, line.shape[0] // 2)), (1, 0)))
    else:
        return tl.split(tl.reshape(line, (line.shape[0] // 2, 2)))


@triton.jit
@no_type_check
def _woven(even, odd, WOVEN: tl.constexpr):
    if WOVEN:
        return tl.reshape(tl.trans(tl.join(even, odd), (1, 0)), (2 * even.shape[0],))
    else:
        return tl.reshape(tl.join(even, odd), (2 * even.shape[0],))


@triton.jit
@no_type_check
def from_left(line, SEAM: tl.constexpr, WOVEN: tl.constexpr):
    """Each place takes the number to its left, the first one zero; only one in SIZE / SEAM leaves its thread."""
    if line.shape[0] > SEAM:
        even, odd = _unwoven(line, WOVEN)
        return _woven(from_left(odd, SEAM, WOVEN), even, WOVEN)
    else:
        place = tl.arange(0, line.shape[0])
        return tl.where(place > 0, tl.gather(line, tl.where(place > 0, place - 1, 0), 0), 0.0)


@triton.jit
@no_type_check
def from_right(line, SEAM: tl.constexpr, WOVEN: tl.constexpr):
    """Each place takes the number to its right, the last one zero."""
    if line.shape[0] > SEAM:
        even, odd = _unwoven(line, WOVEN)
        return _woven(odd, from_right(even, SEAM, WOVEN), WOVEN)
    else:
        place, last = tl.arange(0, line.shape[0]), line.shape[0] - 1
        return tl.where(place < last, tl.gather(line, tl.where(place < last, place + 1, last), 0), 0.0)
