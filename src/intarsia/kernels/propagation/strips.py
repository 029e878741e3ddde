"""Strips of a map that are worked on in the core's cache: how they are brought there and back.

Lines are rows where steps go along columns of the image, or columns, which the buffer holds turned: what is added up
side by side lies side by side. A line in the buffer has room for a vector before it and after it, which stays zero: a
neighbour beyond the border may be read, and the gate that leads there is masked.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.scratch import scratch
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, store, turn
from intarsia.kernels.vectors.vector_type import LINE

_CACHE = 1 << 19  # bytes that a strip's maps may take: half of a core's second cache

Maps = Float[np.ndarray, "B C H W"]
Gates = Float[np.ndarray, "B ways C H W"]


class Sweep(NamedTuple):
    """How a map is gone through, and the buffer for it."""

    across: bool
    """Steps go from column to column, not from row to row."""
    backwards: bool
    """From the last line to the first."""
    lines: int
    """In a strip."""
    stride: int
    """From line to line of the buffer."""
    threshold: float
    """Gates are divided by the sum of their sizes where it is at least this."""
    buffer: Float[np.ndarray, " size"]
    """The maps of a strip, one after another; then lines that go from strip to strip, and two that mask gates."""


def sweep_of(x: Maps, ways: int, across: bool, backwards: bool, threshold: float) -> Sweep:
    """A buffer for x, h or its gradient, the output before each line, and gates or their gradients."""
    lanes = LINE // x.itemsize
    count, n = (x.shape[3], x.shape[2]) if across else (x.shape[2], x.shape[3])
    stride = (n + lanes - 1) // lanes * lanes + 2 * lanes
    lines = min(count, max(lanes, _CACHE // ((3 + ways) * stride * x.itemsize) // lanes * lanes))
    buffer = scratch((3 + ways) * lines * stride + 9 * stride, x.dtype)
    buffer[:] = 0
    masks = buffer[-2 * stride :].reshape(2, stride)
    masks[0, lanes + 1 : lanes + n] = 1
    masks[1, lanes : lanes + n - 1] = 1
    return Sweep(across, backwards, lines, stride, threshold, buffer)


@in_place
def bring_in(plane: Float[np.ndarray, "H W"], left: int, held: int, sweep: Sweep, place: int) -> None:
    """Lines of a map from `left` on go to a place of the buffer."""
    height, width = plane.shape
    lanes = LINE // sweep.buffer.itemsize
    flat, buffer, first = plane.reshape(plane.size), sweep.buffer, place + lanes
    for line in range(place, place + held * sweep.stride, sweep.stride):  # what the map before left behind its width
        store(buffer, line + sweep.stride - 2 * lanes, filled(buffer, 0.0))
    if sweep.across:
        _turned(flat, left, width, height, held, buffer, first, sweep.stride, False)
    else:
        _copied(flat, left * width, width, held, width, buffer, first, sweep.stride)


@in_place
def bring_out(sweep: Sweep, place: int, left: int, held: int, add: bool, plane: Float[np.ndarray, "H W"]) -> None:
    """A place of the buffer goes to the lines of a map from `left` on, or is added to them."""
    height, width = plane.shape
    flat, buffer, first = plane.reshape(plane.size), sweep.buffer, place + LINE // sweep.buffer.itemsize
    if add:
        for t in range(held):
            for k in range(height if sweep.across else width):
                row, column = (k, left + t) if sweep.across else (left + t, k)
                plane[row, column] += buffer[first + t * sweep.stride + k]
    elif sweep.across:
        _turned(buffer, first, sweep.stride, held, height, flat, left, width, True)
    else:
        _copied(buffer, first, sweep.stride, held, width, flat, left * width, width)


@in_place
def _copied(
    source: Flat, place: int, stride: int, rows: int, columns: int, target: Flat, to: int, target_stride: int
) -> None:
    for row in range(rows):
        copy_line(source, place + row * stride, columns, target, to + row * target_stride)


@in_place
def _turned(
    source: Flat, place: int, stride: int, rows: int, columns: int, target: Flat, to: int, target_stride: int,
    by_target: bool,
) -> None:  # fmt: skip
    """Rows of the source are columns of the target; squares follow each other in rows of one or the other."""
    lanes = LINE // source.itemsize
    whole_rows, whole_columns = rows // lanes * lanes, columns // lanes * lanes
    if by_target:
        for k in range(0, whole_columns, lanes):
            for row in range(0, whole_rows, lanes):
                turn(source, place + row * stride + k, stride, target, to + k * target_stride + row, target_stride)
    else:
        for row in range(0, whole_rows, lanes):
            for k in range(0, whole_columns, lanes):
                turn(source, place + row * stride + k, stride, target, to + k * target_stride + row, target_stride)
    for row in range(rows):
        for k in range(whole_columns if row < whole_rows else 0, columns):
            target[to + k * target_stride + row] = source[place + row * stride + k]
