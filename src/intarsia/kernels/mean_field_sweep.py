"""One iteration of mean field at all pixels, in one pass: slice, softmax, splat.

A pixel gathers what its d + 1 corners of the lattice and four cells of the smoothness grid hold, classes side by side; its
probabilities times e^gathered, divided by their sum, are its new ones, and go at once to where the next iteration starts
from. So they are never stored, except in the last pass, and nothing but rows of a table is read twice.

Classes are padded with zeros to whole blocks: as many of 16 as fit, and one of 8. A padded class has probability 0 and
keeps it. Rows of pixels interpolate the grid down first, then across; they leave their part in the same way.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.vectors import (
    add,
    address_of,
    exp,
    folded,
    greatest,
    larger,
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

_WIDE = 64  # bytes of a block of 16
_ONE = np.float32(1)


class Pixels(NamedTuple):
    """What stays from one iteration to the next; N pixels in rows, C padded classes, D corners (0: no appearance)."""

    probabilities: Float32[np.ndarray, "N C"]  # unaries: the messages' exponentials multiply them
    corners: Int32[np.ndarray, "D N"]
    gathered: Float32[np.ndarray, "D N"]  # weights of the corners when a pixel reads them
    given: Float32[np.ndarray, "D N"]  # and when it writes
    columns: Int32[np.ndarray, "W"]  # first of two cells
    across: Float32[np.ndarray, "2 W"]
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
    scratch: Float32[np.ndarray, "C"]


@in_place
def sweep(
    pixels: Pixels, fields: Fields, axes: tuple[int, ...], start: int, stop: int, begins: bool, ends: bool, large: bool
) -> None:
    """Rows from `start` to `stop`. `axes` has as many members as there are corners, so that their loop is unrolled.

    The first pass (`begins`) has nothing to gather, the last (`ends`) writes probabilities instead of sums. With `large`
    messages their greatest is taken off first.
    """
    width, count, stride = len(pixels.columns), pixels.corners.shape[1], 4 * pixels.probabilities.shape[1]
    corners, gathered, given = address_of(pixels.corners), address_of(pixels.gathered), address_of(pixels.given)
    columns, across = address_of(pixels.columns), address_of(pixels.across)
    values, sums = address_of(fields.values), address_of(fields.sums)
    read_row, written_row, scratch = (
        address_of(fields.read_row),
        address_of(fields.written_row),
        address_of(fields.scratch),
    )
    length, across_step, corner_step = 4 * len(fields.read_row), 4 * width, 4 * count
    pixel, place = address_of(pixels.probabilities) + start * width * stride, 4 * start * width
    for y in range(start, stop):
        upper, above, below = np.int64(pixels.rows[y]), pixels.down[0, y], pixels.down[1, y]
        if not begins:
            _blend(address_of(fields.grid) + upper * length, length, above, below, read_row)
        if not ends:
            fields.written_row[:] = 0
        for x in range(width):
            column = stride * read_index(columns + 4 * x)
            left, right = read(across + 4 * x), read(across + 4 * x + across_step)
            _infer(
                pixel, stride, scratch, read_row + column, left, right, axes, corners + place, gathered + place,
                corner_step, values, begins, large,
            )  # fmt: skip
            if ends:
                _copy(scratch, pixel, stride)
            else:
                _give(
                    stride, scratch, written_row + column, left, right, axes, corners + place, given + place,
                    corner_step, sums,
                )  # fmt: skip
            pixel += stride
            place += 4
        if not ends:
            _accumulate(written_row, length, above, fields.grid_rows[upper])
            _accumulate(written_row, length, below, fields.grid_rows[upper + 1])


@step
def _infer(pixel, stride, scratch, cell, left, right, axes, corners, weights, corner_step, values, begins, large):  # noqa: ANN001, ANN202
    """The pixel's new probabilities, to `scratch`."""
    wide, narrow = zeros16(), zeros8()
    block, end = 0, stride - stride % _WIDE
    if large and not begins:
        most = np.float32(-np.inf)
        while block < end:
            message = _message(wide, block, stride, cell, left, right, axes, corners, weights, corner_step, values)
            store(scratch + block, message)
            most = max(most, greatest(message))
            block += _WIDE
        if block < stride:
            message8 = _message(narrow, block, stride, cell, left, right, axes, corners, weights, corner_step, values)
            store(scratch + block, message8)
            most = max(most, greatest(message8))
        block = 0
        while block < end:
            product = multiply(load(pixel + block, wide), exp(add(load(scratch + block, wide), splat(-most, wide))))
            store(scratch + block, product)
            wide = add(wide, product)
            block += _WIDE
        if block < stride:
            product8 = multiply(
                load(pixel + block, narrow), exp(add(load(scratch + block, narrow), splat(-most, narrow)))
            )
            store(scratch + block, product8)
            narrow = product8
    else:
        while block < end:
            product = load(pixel + block, wide)
            if not begins:
                message = _message(wide, block, stride, cell, left, right, axes, corners, weights, corner_step, values)
                product = multiply(product, exp(message))
            store(scratch + block, product)
            wide = add(wide, product)
            block += _WIDE
        if block < stride:
            product8 = load(pixel + block, narrow)
            if not begins:
                message8 = _message(
                    narrow, block, stride, cell, left, right, axes, corners, weights, corner_step, values
                )
                product8 = multiply(product8, exp(message8))
            store(scratch + block, product8)
            narrow = product8
    inverse = _ONE / total(add(folded(wide), narrow))
    block = 0
    while block < end:
        store(scratch + block, multiply(splat(inverse, wide), load(scratch + block, wide)))
        block += _WIDE
    if block < stride:
        store(scratch + block, multiply(splat(inverse, narrow), load(scratch + block, narrow)))


@step
def _message(like, block, stride, cell, left, right, axes, corners, weights, corner_step, values):  # noqa: ANN001, ANN202
    """What corners and cells hold for a block of classes, in two sums that do not wait for each other."""
    even = multiply(splat(left, like), load(cell + block, like))
    odd = multiply(splat(right, like), load(cell + stride + block, like))
    for r in range(len(axes)):
        row = values + stride * read_index(corners + r * corner_step) + block
        weight = read(weights + r * corner_step)
        if r % 2:
            odd = multiply_add(weight, load(row, like), odd)
        else:
            even = multiply_add(weight, load(row, like), even)
    return add(even, odd)


@step
def _give(stride, scratch, cell, left, right, axes, corners, weights, corner_step, sums):  # noqa: ANN001, ANN202
    """Adds a pixel's probabilities to its corners and cells."""
    block, end = 0, stride - stride % _WIDE
    while block < end:
        _give_block(zeros16(), block, stride, scratch, cell, left, right, axes, corners, weights, corner_step, sums)
        block += _WIDE
    if block < stride:
        _give_block(zeros8(), block, stride, scratch, cell, left, right, axes, corners, weights, corner_step, sums)


@step
def _give_block(like, block, stride, scratch, cell, left, right, axes, corners, weights, corner_step, sums):  # noqa: ANN001, ANN202
    given = load(scratch + block, like)
    for r in range(len(axes)):
        row = sums + stride * read_index(corners + r * corner_step) + block
        store(row, multiply_add(read(weights + r * corner_step), given, load(row, like)))
    store(cell + block, multiply_add(left, given, load(cell + block, like)))
    cell += stride
    store(cell + block, multiply_add(right, given, load(cell + block, like)))


@step
def _copy(source, target, size):  # noqa: ANN001, ANN202
    for at in range(0, size, 32):
        store(target + at, load(source + at, zeros8()))


@step
def _blend(upper, length, above, below, result):  # noqa: ANN001, ANN202
    """Between two rows of the grid, whose length is whole wide blocks."""
    for at in range(0, length, _WIDE):
        first = multiply(splat(above, zeros16()), load(upper + at, zeros16()))
        store(result + at, multiply_add(below, load(upper + length + at, zeros16()), first))


@step
def _accumulate(row, length, factor, result):  # noqa: ANN001, ANN202
    if factor != 0:  # a row that is not between two may have no second
        for at in range(0, length, _WIDE):
            store(result + at, multiply_add(factor, load(row + at, zeros16()), load(result + at, zeros16())))
