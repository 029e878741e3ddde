# ruff: noqa: ANN001, ANN202 - steps take addresses, vectors and tuples, which have no types outside of kernels
"""What lies between two sweeps: sums of all threads joined, the lattice blurred along its axes, the grid along its own.

Each kernel does a part that no other touches: a range of classes of the lattice (whose axes follow each other, so that
rows could not be shared out), or a range of the grid's rows.
"""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.mean_field.sweep import clear
from intarsia.kernels.permutohedral.image_lattice import END
from intarsia.kernels.vectors.arithmetic import (
    add,
    address_of,
    load,
    multiply,
    multiply_add,
    read,
    read_index,
    store,
    zeros8,
    zeros16,
)
from intarsia.kernels.vectors.rows import fetch

_AHEAD = 4 * END  # bytes of a list of chains
_WIDE = 64  # bytes of a block of 16
_ZERO, _HALF = np.float32(0), np.float32(0.5)


@in_place
def collect(
    values: Float32[np.ndarray, "V C"],
    sums: Float32[np.ndarray, "V C"],
    begin: int,
    end: int,
    factor: float,
    adds: bool,
) -> None:
    """Moves `factor` times the sums of one thread to `values`, or `adds` them; the sums become 0.

    For the bytes from `begin` to `end` of each row.
    """
    stride, scale = 4 * values.shape[1], np.float32(factor)
    target, source = address_of(values), address_of(sums)
    for row in range(0, stride * len(sums), stride):
        for at in range(row + begin, row + end, _WIDE // 2):
            before = load(target + at, zeros8()) if adds else zeros8()
            store(target + at, multiply_add(scale, load(source + at, zeros8()), before))
            store(source + at, zeros8())


@in_place
def blur_lattice(values: Float32[np.ndarray, "V C"], chains: Int32[np.ndarray, " n"], begin: int, end: int) -> None:
    """Along each axis a row becomes itself and half of either neighbour (Adams et al., section 3).

    For the bytes from `begin` to `end` of each row. What was a row before is kept for the next of its chain, so that
    all happens in place, and rows without neighbours are not touched.
    """
    block = begin
    while block + _WIDE <= end:
        if block + _WIDE + _WIDE // 2 == end:
            _follow_both(zeros16(), zeros8(), values, chains, block)  # a row's cache lines are brought but once
            return
        _follow(zeros16(), values, chains, block)
        block += _WIDE
    if block < end:
        _follow(zeros8(), values, chains, block)


@step
def _follow(like, values, chains, block):
    """One block of classes. Row 0, which ends chains, goes through the same steps and takes nothing."""
    row, stride, links = address_of(values) + block, 4 * values.shape[1], address_of(chains)
    place, before, here, share = row, multiply(like, like), multiply(like, like), _ZERO
    for at in range(links, links + 4 * len(chains) - _AHEAD, 4):
        link = read_index(at)
        fetch(row + stride * read_index(at + _AHEAD))
        following = row + stride * link
        after = load(following, like)
        store(place, multiply_add(share, add(before, after), here))
        place, before, here = following, here, after
        share = _HALF if link else _ZERO


@step
def _follow_both(like, like8, values, chains, block):
    """`_follow` for a block of 16 classes and the 8 behind it."""
    row, stride, links = address_of(values) + block, 4 * values.shape[1], address_of(chains)
    place, share = row, _ZERO
    before, here, before8, here8 = zeros16(), zeros16(), zeros8(), zeros8()
    for at in range(links, links + 4 * len(chains) - _AHEAD, 4):
        link, asked = read_index(at), row + stride * read_index(at + _AHEAD)
        fetch(asked)
        fetch(asked + _WIDE)
        following = row + stride * link
        after, after8 = load(following, like), load(following + _WIDE, like8)
        store(place, multiply_add(share, add(before, after), here))
        store(place + _WIDE, multiply_add(share, add(before8, after8), here8))
        place, before, here, before8, here8 = following, here, after, here8, after8
        share = _HALF if link else _ZERO


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

    `room` is a row with zeros for as many cells on either side as the taps `across` reach. Sums that no other rows need
    become 0 while they are at hand: all but the first and last few, as many as the taps `down` reach.
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
        if y - reach >= start + reach:
            clear(source + (y - reach) * length, length)


@in_place
def mix(
    field: Float32[np.ndarray, "R L"],
    matrix: Float32[np.ndarray, "C C"],
    cells: int,
    room: Float32[np.ndarray, "C 64"],
    start: int,
    stop: int,
) -> None:
    """Each of the first `cells` vectors of the rows from `start` to `stop`, times the matrix of what labels cost.

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
def _taps(taps, count, place, distance, result):
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
