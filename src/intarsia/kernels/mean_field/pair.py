# ruff: noqa: ANN001, ANN202 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""Mean field of two classes: only the difference D = Q_1 - Q_0 is filtered, one float a pixel, corner and cell.

With odds o = p_1 / p_0 and the difference m of both messages, which is the filtered D, Q_1 = o e^m / (1 + o e^m).
A row of pixels goes through each step together, sixteen at a time, so that no step waits for the one before: each pixel
reads its simplex with one vector, and sixteen read and write the grid with two.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.mean_field.sweep import Fields, Pixels, accumulate, blend, clear
from intarsia.kernels.permutohedral.simplex_table import BLOCK, ROW, give, take
from intarsia.kernels.vectors.across import doubled, paired
from intarsia.kernels.vectors.arithmetic import (
    add,
    address_of,
    divide,
    exp,
    larger,
    load,
    multiply,
    read,
    read_index,
    smaller,
    splat,
    store,
    write,
    zeros16,
)

_LEAST, _ZERO, _ONE = np.float32(1e-5), np.float32(0), np.float32(1)
_BYTES, _LANES = 4 * BLOCK, ROW // 4  # of a block of pixels; floats of a pixel's weights
_MOST = np.float32(75)  # e^75 times the largest odds, 1e5, is still a float32; D is 1 long before
_HALF = np.float32(0.5)


@in_place
def to_odds(planes: Float32[np.ndarray, "2 N"], odds: Float32[np.ndarray, "M 1"], start: int, stop: int) -> None:
    """Of the second class against the first, both clipped to 1e-5 … 1."""
    first, second = planes[0], planes[1]
    for i in range(start, stop):
        odds[i, 0] = min(max(second[i], _LEAST), _ONE) / min(max(first[i], _LEAST), _ONE)


@in_place
def sweep_pair(
    pixels: Pixels, fields: Fields, corners: tuple[int, ...], start: int, stop: int, begins: bool, ends: bool
) -> None:
    """As `sweep`, with odds instead of probabilities; the last pass leaves Q_1 in their place.

    The fields' values and sums are those of simplices, which `corners` says whether there are.
    """
    width, length, step = len(pixels.columns), 4 * len(fields.read_row), 4 * pixels.across.shape[1]
    columns, across = address_of(pixels.columns), address_of(pixels.across)
    read_row, written_row = address_of(fields.read_row), address_of(fields.written_row)
    values, sums, products = address_of(fields.values), address_of(fields.sums), address_of(fields.scratch)
    row = products + ROW * BLOCK
    halved, pixel = _is_halved(pixels.columns), start * width
    for y in range(start, stop):
        upper, above, below = np.int64(pixels.rows[y]), pixels.down[0, y], pixels.down[1, y]
        if not begins:
            blend(address_of(fields.grid) + upper * length, length, above, below, read_row)
        if not ends:
            clear(written_row, length)
        which, weights = address_of(pixels.which) + 4 * pixel, address_of(pixels.weights) + ROW * pixel
        for x in range(0, 0 if begins else 4 * width, _BYTES):
            message, count = _from_cells(read_row, columns + x, across + x, step, halved), min(BLOCK, width - (x >> 2))
            if len(corners):
                message = add(message, take(which + x, weights + _LANES * x, values, products, count))
            store(row + x, message)
        odds = address_of(pixels.probabilities) + 4 * pixel
        for x in range(0, 4 * width, _BYTES):
            ratio = load(odds + x, zeros16())
            if not begins:
                ratio = multiply(ratio, _exponential(load(row + x, ratio)))
            decided = ratio if ends else add(ratio, splat(-_ONE, ratio))
            store(row + x, divide(decided, add(ratio, splat(_ONE, ratio))))
        if ends:
            for x in range(0, 4 * width, 4):
                write(odds + x, read(row + x))
        for x in range(0, 0 if ends else 4 * width, _BYTES):
            _to_cells(written_row, columns + x, across + x, step, halved, load(row + x, zeros16()))
            if len(corners):
                give(which + x, weights + _LANES * x, sums, row + x, min(BLOCK, width - (x >> 2)))
        pixel += width
        if not ends:
            accumulate(written_row, length, above, fields.grid_rows[upper])
            accumulate(written_row, length, below, fields.grid_rows[upper + 1])


@step
def _is_halved(columns):
    """Whether the grid has a column for each two pixels; two pixels lie alike on both."""
    return len(columns) > 2 and columns[2] == 1


@step
def _from_cells(cells, columns, across, step, halved):
    """What sixteen pixels take from a row of the grid, the first of them from this cell and the next."""
    cells += 4 * read_index(columns)
    left, right = load(across, zeros16()), load(across + step, zeros16())
    first, second = load(cells, left), load(cells + 4, left)
    if halved:
        first, second = doubled(first), doubled(second)
    return add(multiply(left, first), multiply(right, second))


@step
def _to_cells(cells, columns, across, step, halved, given):
    """What they give to the first cell of each, and to the second; there must be room for 17."""
    cells += 4 * read_index(columns)
    left, right = multiply(load(across, given), given), multiply(load(across + step, given), given)
    if halved:
        left, right = paired(left), paired(right)
    store(cells, add(load(cells, left), left))
    store(cells + 4, add(load(cells + 4, right), right))


@step
def _exponential(message):
    return exp(larger(smaller(message, splat(_MOST, message)), splat(-_MOST, message)))


@in_place
def collect_pair(
    values: Float32[np.ndarray, "V 1"], sums: Float32[np.ndarray, "V 1"], factor: float, adds: bool
) -> None:
    """As `collect`."""
    scale = np.float32(factor)
    for row in range(len(sums)):
        values[row, 0] = scale * sums[row, 0] + (values[row, 0] if adds else _ZERO)
        sums[row, 0] = 0


@in_place
def blur_pair(values: Float32[np.ndarray, "V 1"], chains: Int32[np.ndarray, " n"]) -> None:
    """As `blur_lattice`."""
    row, links = address_of(values), address_of(chains)
    place, before, here, share = row, _ZERO, _ZERO, _ZERO
    for at in range(links, links + 4 * len(chains), 4):
        link = read_index(at)
        after = read(row + 4 * link)
        write(place, here + share * (before + after))
        place, before, here = row + 4 * link, here, after
        share = _HALF if link else _ZERO
