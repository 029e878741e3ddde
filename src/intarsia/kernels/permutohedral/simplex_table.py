# ruff: noqa: ANN001, ANN201 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""What the corners of each simplex hold, side by side: one vector of eight floats for each pixel in it to read.

There are a few pixels in each simplex, and one float at each corner. So values go from corners to simplices once, and
sums from simplices to corners, and a pixel takes from or gives to all of its corners in a single step. Of two sums a
simplex has, pixels add to one after the other, so that none waits for the one before it.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.vectors.across import row_totals
from intarsia.kernels.vectors.arithmetic import (
    add,
    address_of,
    load,
    multiply,
    multiply_add,
    read,
    read_index,
    store,
    write,
    zeros8,
    zeros16,
)
from intarsia.kernels.vectors.rows import read_rows, read_shares, scatter

BLOCK = 16  # pixels that take at once
ROW = 32  # bytes of eight floats
_ONE = np.float32(1)


@in_place
def bring(
    values: Float32[np.ndarray, "V 1"],
    simplices: Int32[np.ndarray, "S 8"],
    table: Float32[np.ndarray, "S 8"],
    start: int,
    stop: int,
) -> None:
    """What corners hold, to the simplices from `start` to `stop`; value 0, which is 0, fills up."""
    source, rows, target = address_of(values), address_of(simplices), address_of(table)
    for at in range(ROW * start, ROW * stop, 4):
        write(target + at, read(source + 4 * read_index(rows + at)))


@in_place
def leave(
    table: Float32[np.ndarray, "S 16"],
    simplices: Int32[np.ndarray, "S 8"],
    corners: tuple[int, ...],
    sums: Float32[np.ndarray, "V 1"],
) -> None:
    """Adds what pixels gave to the corners, as many as a tuple is long; the table becomes 0."""
    place, row, target = address_of(table), address_of(simplices), address_of(sums)
    for _ in range(len(table)):
        store(place, add(load(place, zeros8()), load(place + ROW, zeros8())))
        scatter(target, read_rows(corners, row, 4, 4), read_shares(corners, place, 4), _ONE)
        store(place, zeros16())
        place, row = place + 2 * ROW, row + ROW


@step
def take(which, weights, table, products, count):
    """Sixteen sums, of which those from `count` on mean nothing; `products` is room for as many rows."""
    for i in range(count):
        product = multiply(load(table + ROW * read_index(which + 4 * i), zeros8()), load(weights + ROW * i, zeros8()))
        store(products + ROW * i, product)
    return row_totals(products)


@step
def give(which, weights, table, given, count):
    """Adds the floats at `given`, times weights."""
    for i in range(count):
        place = table + 2 * ROW * read_index(which + 4 * i) + ROW * (i & 1)
        store(place, multiply_add(read(given + 4 * i), load(weights + ROW * i, zeros8()), load(place, zeros8())))
