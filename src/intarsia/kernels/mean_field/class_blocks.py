# ruff: noqa: ANN001, ANN202 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""Between probabilities as planes, one a class, and as rows, one a pixel with its classes side by side.

Blocks of pixels go by a tile of planes in the first cache, where squares of 16 or 8 pixels and classes are turned in
registers. The last block begins earlier where it would be short: what lies in two is written twice, alike.
"""

import numpy as np
from jaxtyping import Float32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.vectors.arithmetic import (
    add,
    address_of,
    divide,
    larger,
    load,
    multiply,
    smaller,
    splat,
    store,
    zeros8,
    zeros16,
)
from intarsia.kernels.vectors.rows import transpose

BLOCK = 64  # pixels; there must be as many
_WIDE, _NARROW, _LINE = 64, 32, 4 * BLOCK  # bytes of 16 floats, of 8, and of a line of the tile
_LEAST, _ONE = np.float32(1e-5), np.float32(1)


@in_place
def to_rows(
    planes: Float32[np.ndarray, "K N"],
    rows: Float32[np.ndarray, "N C"],
    tile: Float32[np.ndarray, "C 64"],
    start: int,
    stop: int,
) -> None:
    """Clips the probabilities of the pixels from `start` to `stop` to 1e-5 … 1, and makes them sum to 1 again.

    Lines of the tile behind those of the planes are zeros.
    """
    stride, plane_step, inner = 4 * rows.shape[1], 4 * planes.shape[1], address_of(tile)
    for begin in range(start, stop, BLOCK):
        first = min(begin, stop - BLOCK)
        for part in range(0, _LINE, _WIDE):
            plane, line, sums = address_of(planes) + 4 * first + part, inner + part, zeros16()
            for _ in range(len(planes)):
                clipped = smaller(larger(load(plane, sums), splat(_LEAST, sums)), splat(_ONE, sums))
                store(line, clipped)
                sums = add(sums, clipped)
                plane, line = plane + plane_step, line + _LINE
            line, inverse = inner + part, divide(splat(_ONE, sums), sums)
            for _ in range(len(planes)):
                store(line, multiply(load(line, sums), inverse))
                line += _LINE
        row = address_of(rows) + first * stride
        for part in range(0, _LINE, _NARROW):
            _turn(inner + part, _LINE, _LINE * _NARROW // 4, row, stride, _NARROW, stride)
            row += stride * (_NARROW // 4)


@in_place
def to_planes(
    rows: Float32[np.ndarray, "N C"],
    planes: Float32[np.ndarray, "K N"],
    tile: Float32[np.ndarray, "C 64"],
    start: int,
    stop: int,
) -> None:
    """The first K of each row, for the pixels from `start` to `stop`."""
    stride, plane_step, inner = 4 * rows.shape[1], 4 * planes.shape[1], address_of(tile)
    for begin in range(start, stop, BLOCK):
        first = min(begin, stop - BLOCK)
        row = address_of(rows) + first * stride
        for part in range(0, _LINE, _NARROW):
            _turn(row, stride, _NARROW, inner + part, _LINE, _LINE * _NARROW // 4, stride)
            row += stride * (_NARROW // 4)
        plane, line = address_of(planes) + 4 * first, inner
        for _ in range(len(planes)):
            for part in range(0, _LINE, _WIDE):
                store(plane + part, load(line + part, zeros16()))
            plane, line = plane + plane_step, line + _LINE


@step
def _turn(source, source_step, source_next, target, target_step, target_next, stride):
    """Eight pixels, all classes, eight at a time."""
    for _ in range(0, stride, _NARROW):
        transpose(source, source_step, target, target_step, zeros8())
        source, target = source + source_next, target + target_next
