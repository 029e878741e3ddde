"""What lies between two sweeps: sums of all threads joined, the lattice blurred along its axes, the grid along its own.

Each kernel does a part that no other touches: a range of classes of the lattice (whose axes follow each other, so that
rows could not be shared out), or a range of the grid's rows.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.vectors import (
    add,
    address_of,
    load,
    multiply,
    multiply_add,
    read,
    read_index,
    splat,
    store,
    zeros8,
    zeros16,
)

_WIDE = 64  # bytes of a block of 16
_HALF = np.float32(0.5)


@in_place
def blur_lattice(
    first: Float32[np.ndarray, "V C"],
    second: Float32[np.ndarray, "V C"],
    neighbours: Int32[np.ndarray, "D 2 V"],
    begin: int,
    end: int,
    factor: np.float32,
) -> None:
    """Along each axis a row becomes itself and half of either neighbour (Adams et al., section 3), from array to array.

    For the bytes from `begin` to `end` of each row. After an even number of axes the result lies in `first`, else in
    `second`; the other becomes 0. `factor` multiplies the result.
    """
    source, target, stride = address_of(first), address_of(second), 4 * first.shape[1]
    count, axes = len(first), len(neighbours)
    for axis in range(axes):
        before = address_of(neighbours) + 8 * axis * count
        scale = factor if axis == axes - 1 else np.float32(1)
        for row in range(1, count):
            down, up = stride * read_index(before + 4 * row), stride * read_index(before + 4 * (row + count))
            at = stride * row
            block = begin
            while block + _WIDE <= end:
                _blur_block(zeros16(), source + block, target + block, at, down, up, scale)
                block += _WIDE
            if block < end:
                _blur_block(zeros8(), source + block, target + block, at, down, up, scale)
        source, target = target, source
    for row in range(1, count):
        for block in range(begin, end, _WIDE // 2):
            store(target + stride * row + block, zeros8())


@step
def _blur_block(like, source, target, at, down, up, scale):  # noqa: ANN001, ANN202
    sides = add(load(source + down, like), load(source + up, like))
    store(target + at, multiply(splat(scale, like), multiply_add(_HALF, sides, load(source + at, like))))


@in_place
def join(sums: Float32[np.ndarray, "V C"], others: Float32[np.ndarray, "V C"], begin: int, end: int) -> None:
    """Adds another thread's sums, which become 0, for the bytes from `begin` to `end` of each row."""
    stride = 4 * sums.shape[1]
    target, source = address_of(sums), address_of(others)
    for start in range(stride, stride * len(sums), stride):
        for at in range(start + begin, start + end, _WIDE // 2):
            store(target + at, add(load(target + at, zeros8()), load(source + at, zeros8())))
            store(source + at, zeros8())


@in_place
def blur_grid(
    sums: Float32[np.ndarray, "R L"],
    result: Float32[np.ndarray, "R L"],
    down: Float32[np.ndarray, "s"],
    across: Float32[np.ndarray, "t"],
    stride: int,
    room: Float32[np.ndarray, "M"],
    start: int,
    stop: int,
) -> None:
    """Rows from `start` to `stop`, whose cells are `stride` bytes apart.

    `room` is a row with zeros for as many cells on either side as the taps `across` reach.
    """
    length, reach, margin = 4 * sums.shape[1], len(down) // 2, stride * (len(across) // 2)
    source, target, middle = address_of(sums), address_of(result), address_of(room)
    for y in range(start, stop):
        top, bottom = max(y - reach, 0), min(y + reach, len(sums) - 1)
        row = source + top * length
        for at in range(0, length, 4 * _WIDE):
            _taps(address_of(down) + 4 * (top - y + reach), bottom + 1 - top, row + at, length, middle + margin + at)
        for at in range(0, length, 4 * _WIDE):
            _taps(address_of(across), len(across), middle + at, stride, target + y * length + at)


@in_place
def mix(
    field: Float32[np.ndarray, "R L"],
    matrix: Float32[np.ndarray, "C C"],
    cells: int,
    room: Float32[np.ndarray, "C 64"],
    start: int,
    stop: int,
) -> None:
    """Each of the first `cells` vectors of the rows from `start` to `stop`, times the matrix: what labels cost each other.

    Messages are sums of what lies here, so the matrix may come before those sums, where there are fewer vectors.
    """
    lanes, inner = len(matrix), address_of(room)
    for y in range(start, stop):
        for cell in range(cells):
            vector = address_of(field) + 4 * (y * field.shape[1] + cell * lanes)
            for at in range(0, 4 * lanes, _WIDE // 2):
                mixed = zeros8()
                for k in range(lanes):
                    row = load(address_of(matrix) + 4 * lanes * k + at, mixed)
                    mixed = multiply_add(read(vector + 4 * k), row, mixed)
                store(inner + at, mixed)
            for at in range(0, 4 * lanes, _WIDE // 2):
                store(vector + at, load(inner + at, zeros8()))


@step
def _taps(taps, count, place, distance, result):  # noqa: ANN001, ANN202
    """Four blocks at once, whose sums do not wait for each other."""
    first, second, third, fourth = zeros16(), zeros16(), zeros16(), zeros16()
    for k in range(count):
        tap = read(taps + 4 * k)
        first = multiply_add(tap, load(place, first), first)
        second = multiply_add(tap, load(place + _WIDE, first), second)
        third = multiply_add(tap, load(place + 2 * _WIDE, first), third)
        fourth = multiply_add(tap, load(place + 3 * _WIDE, first), fourth)
        place += distance
    store(result, first)
    store(result + _WIDE, second)
    store(result + 2 * _WIDE, third)
    store(result + 3 * _WIDE, fourth)
