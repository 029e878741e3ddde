# ruff: noqa: ANN001, ANN202 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""Mean field of two classes: only the difference D = Q_1 - Q_0 is filtered, one float a pixel, corner and cell.

With odds o = p_1 / p_0 and the difference m of both messages, which is the filtered D, Q_1 = o e^m / (1 + o e^m).
Sixteen pixels in a row gather one by one, take their exponentials together, and give one by one.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.mean_field_sweep import Fields, Pixels, accumulate, blend, clear
from intarsia.kernels.vector_rows import gather, read_rows, read_shares, scatter
from intarsia.kernels.vectors import (
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

_BLOCK = 16  # pixels
_LEAST, _ZERO, _ONE = np.float32(1e-5), np.float32(0), np.float32(1)
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
    """As `sweep`, with odds instead of probabilities; the last pass leaves Q_1 in their place."""
    width = len(pixels.columns)
    columns, across = address_of(pixels.columns), address_of(pixels.across)
    read_row, written_row, length = (
        address_of(fields.read_row),
        address_of(fields.written_row),
        4 * len(fields.read_row),
    )
    values, sums, scratch = address_of(fields.values), address_of(fields.sums), address_of(fields.scratch)
    distance, pixel = 4 * pixels.corners.shape[1], 4 * start * width
    odds = address_of(pixels.probabilities)
    rows, weights = address_of(pixels.corners), address_of(pixels.weights)
    for y in range(start, stop):
        upper, above, below = np.int64(pixels.rows[y]), pixels.down[0, y], pixels.down[1, y]
        if not begins:
            blend(address_of(fields.grid) + upper * length, length, above, below, read_row)
        if not ends:
            clear(written_row, length)
        for x in range(0, width, _BLOCK):
            count = min(_BLOCK, width - x)
            here = 4 * x
            if not begins:
                for i in range(0, 4 * count, 4):
                    cell = read_row + 4 * read_index(columns + here + i)
                    message = read(across + here + i) * read(cell) + read(across + here + i + 4 * width) * read(
                        cell + 4
                    )
                    places = read_rows(corners, rows + pixel + i, distance, 4)
                    shares = read_shares(corners, weights + pixel + i, distance)
                    write(scratch + i, gather(values, places, shares, message))
            _decide(scratch, odds + pixel, begins, ends)
            for i in range(0, 4 * count, 4):
                given = read(scratch + i)
                if ends:
                    write(odds + pixel + i, given)
                else:
                    cell = written_row + 4 * read_index(columns + here + i)
                    write(cell, read(cell) + read(across + here + i) * given)
                    write(cell + 4, read(cell + 4) + read(across + here + i + 4 * width) * given)
                    places = read_rows(corners, rows + pixel + i, distance, 4)
                    scatter(sums, places, read_shares(corners, weights + pixel + i, distance), given)
            pixel += 4 * count
        if not ends:
            accumulate(written_row, length, above, fields.grid_rows[upper])
            accumulate(written_row, length, below, fields.grid_rows[upper + 1])


@step
def _decide(scratch, odds, begins, ends):
    """From sixteen messages to as many D, or Q_1 at the end."""
    ratio, one = load(odds, zeros16()), splat(_ONE, zeros16())
    if not begins:
        message = larger(smaller(load(scratch, one), splat(_MOST, one)), splat(-_MOST, one))
        ratio = multiply(ratio, exp(message))
    upper = ratio if ends else add(ratio, splat(-_ONE, one))
    store(scratch, divide(upper, add(ratio, one)))


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
