# ruff: noqa: ANN001, ANN201, ANN202 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""One iteration of mean field at all pixels, in one pass: slice, softmax, splat.

A pixel gathers what its d + 1 corners of the lattice and four cells of the smoothness grid hold, classes side by
side; its probabilities times e^gathered, divided by their sum, are its new ones, and go at once to where the next
iteration starts from. So they are never stored, except in the last pass, and nothing but rows of a table is read
twice.

Classes are padded with zeros to whole blocks: as many of 16 as fit, and one of 8. A padded class has probability 0 and
keeps it. Rows of pixels interpolate the grid down first, then across; they leave their part in the same way.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.vectors.arithmetic import (
    add,
    address_of,
    exp,
    folded,
    load,
    multiply,
    multiply_add,
    read,
    read_index,
    splat,
    store,
    total,
    zeros8,
    zeros16,
)
from intarsia.kernels.vectors.rows import fetch, gather, read_rows, read_shares, scatter

_WIDE, _NARROW = 64, 32  # bytes of a block of 16 and of 8, as of the corners of a pixel
_AHEAD = _NARROW * 6  # bytes of the corners of as many pixels, whose rows are asked for ahead
_ZERO, _ONE = np.float32(0), np.float32(1)
_LITTLE, _MUCH = np.float32(1e-30), np.float32(1e30)  # sums between are far from the ends of float32


class Pixels(NamedTuple):
    """What stays from one iteration to the next; N pixels in rows, C padded classes."""

    probabilities: Float32[np.ndarray, "N C"]  # unaries: the messages' exponentials multiply them
    which: Int32[np.ndarray, "N"]  # simplex
    corners: Int32[np.ndarray, "N 8"]  # rows of a simplex's corners, laid out for more than two classes
    weights: Float32[np.ndarray, "N 8"]  # normalised: the same for what a pixel takes and what it gives
    columns: Int32[np.ndarray, "W"]  # first of two cells
    across: Float32[np.ndarray, "2 w"]  # some zeros behind
    rows: Int32[np.ndarray, "H"]
    down: Float32[np.ndarray, "2 H"]


class Fields(NamedTuple):
    """Filtered sums to read, and where a thread writes its own."""

    values: Float32[np.ndarray, "V C"]
    sums: Float32[np.ndarray, "V C"]
    grid: Float32[np.ndarray, "R L"]
    grid_rows: Int64[np.ndarray, "R"]  # addresses of the rows to write
    read_row: Float32[np.ndarray, "L"]
    written_row: Float32[np.ndarray, "L"]
    scratch: Float32[np.ndarray, "C 64"]


class Shape(NamedTuple):
    """Numbers as the lengths of tuples: so the compiler knows them, and unrolls the loops over them."""

    wide: tuple[int, ...]  # blocks of 16 classes
    narrow: tuple[int, ...]  # of 8: one or none
    corners: tuple[int, ...]  # d + 1, or none


@in_place
def sweep(pixels: Pixels, fields: Fields, shape: Shape, start: int, stop: int, begins: bool, ends: bool) -> None:
    """Rows from `start` to `stop`.

    The first pass (`begins`) has no messages yet, the last (`ends`) writes probabilities instead of sums.
    """
    width, stride = len(pixels.columns), _stride(shape)
    columns, across = address_of(pixels.columns), address_of(pixels.across)
    read_row, written_row, length = (
        address_of(fields.read_row),
        address_of(fields.written_row),
        4 * len(fields.read_row),
    )
    scratch = address_of(fields.scratch)
    corners = address_of(pixels.corners) + _NARROW * start * width
    last = address_of(pixels.corners) + _NARROW * (stop * width - 1)
    weights = address_of(pixels.weights) + _NARROW * start * width
    values, sums = address_of(fields.values), address_of(fields.sums)
    pixel = address_of(pixels.probabilities) + start * width * stride
    for y in range(start, stop):
        upper, above, below = np.int64(pixels.rows[y]), pixels.down[0, y], pixels.down[1, y]
        if not begins:
            blend(address_of(fields.grid) + upper * length, length, above, below, read_row)
        if not ends:
            clear(written_row, length)
        for x in range(width):
            column = stride * read_index(columns + 4 * x)
            left, right = read(across + 4 * x), read(across + 4 * (x + pixels.across.shape[1]))
            source, inverse = pixel, _ONE
            rows = read_rows(shape.corners, corners, 4, stride)
            shares = read_shares(shape.corners, weights, 4)
            if not begins:
                _ask(shape, min(corners + _AHEAD, last), values)
                inverse = _infer(shape, pixel, scratch, read_row + column, left, right, rows, shares, values)
                source = scratch
            if ends:
                _scale(shape, inverse, source, pixel)
            else:
                _give(shape, inverse, source, written_row + column, left, right, rows, shares, sums)
            pixel += stride
            corners, weights = corners + _NARROW, weights + _NARROW
        if not ends:
            accumulate(written_row, length, above, fields.grid_rows[upper])
            accumulate(written_row, length, below, fields.grid_rows[upper + 1])


@step
def _stride(shape):
    return _WIDE * len(shape.wide) + _NARROW * len(shape.narrow)


@step
def _ask(shape, corners, values):
    for r in range(len(shape.corners)):
        row = values + _stride(shape) * read_index(corners + 4 * r)
        for at in range(0, _stride(shape), _WIDE):
            fetch(row + at)


@step
def _infer(shape, pixel, scratch, cell, left, right, rows, shares, values):
    """The pixel's new probabilities, but for a factor, to `scratch`; and that factor."""
    whole = _weigh(shape, pixel, scratch, cell, left, right, rows, shares, values, _ZERO)
    if whole > _MUCH or whole < _LITTLE:  # messages too large for e^x as they are: their greatest is taken off
        most = _greatest(shape, pixel, cell, left, right, rows, shares, values)
        whole = _weigh(shape, pixel, scratch, cell, left, right, rows, shares, values, most)
    return _ONE / whole


@step
def _weigh(shape, pixel, scratch, cell, left, right, rows, shares, values, most):
    """Probabilities times e^(message - most), to `scratch`, and their sum."""
    like, like8, tail = zeros16(), zeros8(), _WIDE * len(shape.wide)
    sums, sums8 = zeros16(), zeros8()
    for b in range(len(shape.wide)):
        message = _message(shape, like, most, _WIDE * b, cell, left, right, rows, shares, values)
        product = multiply(load(pixel + _WIDE * b, like), exp(message))
        store(scratch + _WIDE * b, product)
        sums = add(sums, product)
    for _ in range(len(shape.narrow)):
        message8 = _message(shape, like8, most, tail, cell, left, right, rows, shares, values)
        sums8 = multiply(load(pixel + tail, like8), exp(message8))
        store(scratch + tail, sums8)
    return total(add(folded(sums), sums8))


@step
def _greatest(shape, pixel, cell, left, right, rows, shares, values):
    """The greatest message of a class that is there, in the order of a plain loop: it is rarely asked for."""
    most, stride = np.float32(-np.inf), _stride(shape)
    for at in range(0, stride, 4):
        message = left * read(cell + at) + right * read(cell + stride + at)
        for r in range(len(shape.corners)):
            message += shares[r] * read(values + rows[r] + at)
        if read(pixel + at) > 0:  # 0 is a padded class
            most = max(most, message)
    return most


@step
def _message(shape, like, most, block, cell, left, right, rows, shares, values):
    """What corners and cells hold for a block of classes, less `most`."""
    start = multiply_add(left, load(cell + block, like), splat(-most, like))
    start = multiply_add(right, load(cell + _stride(shape) + block, like), start)
    return gather(values + block, rows, shares, start)


@step
def _give(shape, factor, source, cell, left, right, rows, shares, sums):
    """Adds a pixel's probabilities to its corners and cells."""
    for b in range(len(shape.wide)):
        given = multiply(splat(factor, zeros16()), load(source + _WIDE * b, zeros16()))
        _give_block(shape, given, _WIDE * b, cell, left, right, rows, shares, sums)
    for _ in range(len(shape.narrow)):
        tail = _WIDE * len(shape.wide)
        given8 = multiply(splat(factor, zeros8()), load(source + tail, zeros8()))
        _give_block(shape, given8, tail, cell, left, right, rows, shares, sums)


@step
def _give_block(shape, given, block, cell, left, right, rows, shares, sums):
    scatter(sums + block, rows, shares, given)
    cell += block
    store(cell, multiply_add(left, given, load(cell, given)))
    cell += _stride(shape)
    store(cell, multiply_add(right, given, load(cell, given)))


@step
def _scale(shape, factor, source, target):
    for at in range(0, _stride(shape), _NARROW):
        store(target + at, multiply(splat(factor, zeros8()), load(source + at, zeros8())))


@step
def clear(row, length):
    """A row of whole wide blocks becomes 0."""
    for at in range(0, length, _WIDE):
        store(row + at, zeros16())


@step
def blend(upper, length, above, below, result):
    """Between two rows of the grid, whose length is whole wide blocks."""
    for at in range(0, length, _WIDE):
        first = multiply(splat(above, zeros16()), load(upper + at, zeros16()))
        store(result + at, multiply_add(below, load(upper + length + at, zeros16()), first))


@step
def accumulate(row, length, factor, result):
    """Adds a row, times a factor."""
    if factor != 0:  # a row that is not between two may have no second
        for at in range(0, length, _WIDE):
            store(result + at, multiply_add(factor, load(row + at, zeros16()), load(result + at, zeros16())))
