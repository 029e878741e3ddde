"""The loss of an image and its gradient: row after row, in blocks of as many pixels as a vector holds."""

import numpy as np
from jaxtyping import Float64

from intarsia.kernels.affinity_field.layout import (
    DOWN,
    KNOWN,
    LEAST,
    MAPS,
    NONE,
    PLAIN,
    REST,
    RIGHT,
    WEIGHTS,
    Codes,
    Field,
)
from intarsia.kernels.affinity_field.pairs import alike, mixed
from intarsia.kernels.affinity_field.probabilities import enter_row
from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store, where_at_least
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def gather(field: Field, codes: Codes, logits: Flat, gradient: Flat, sums: Float64[np.ndarray, "2 K S"]) -> bool:
    """Writes the gradient, adds up entries beside and on edges by their centre's class; whether logits are finite."""
    finite = True
    for row in range(field.height + field.reach):
        if row < field.height:
            finite = enter_row(field, logits, row) and finite
        middle = row - field.reach
        if middle >= 0:
            _gather_row(field, codes, middle, sums)
            for c in range(field.classes):
                place = c * field.stride + field.left
                copy_line(field.room, place, field.width, gradient, (c * field.height + middle) * field.width)
    return finite


@in_place
def _gather_row(field: Field, codes: Codes, row: int, sums: Float64[np.ndarray, "2 K S"]) -> None:
    stride, slots = field.stride, 2 * field.reach + 1
    slot, lanes = row % slots, LINE // field.room.itemsize
    one_row = field.classes * MAPS * stride
    for size in range(len(field.offsets)):
        for direction in range(8):
            down, right = DOWN[direction] * field.offsets[size], RIGHT[direction] * field.offsets[size]
            field.shifts[size, direction] = ((row + down + slots) % slots - slot) * one_row + right
    block = field.classes * stride
    for k in range(field.left, stride - field.left, lanes):
        pixel = (row + 2 * field.reach) * stride + k
        known = _look_around(field, codes, row + 2 * field.reach, k)
        _weigh(field, pixel, block)
        total = filled(field.room, 0.0)
        for c in range(field.classes):
            here = slot * one_row + c * MAPS * stride + k
            if 0 < field.seen[c] < known:
                mixed(field, here, pixel, block, c)
            else:
                alike(field, here, pixel, block)
            _by_probability(field, here, c * stride + k, block)
            total = total + load(field.room, c * stride + k)
        for c in range(field.classes):
            p = load(field.maps, slot * one_row + (c * MAPS + PLAIN) * stride + k)
            store(field.room, c * stride + k, load(field.room, c * stride + k) - p * total)
        _add_up(field, codes, row + 2 * field.reach, k, block, sums)


@in_place
def _look_around(field: Field, codes: Codes, row: int, k: int) -> int:
    """How many pixels within reach of a block have a class, and `seen`: how many have which."""
    first, last = k - field.reach, k + LINE // field.room.itemsize + field.reach
    own, others = codes[row, k], 0
    for i in range(row - field.reach, row + field.reach + 1):
        for j in range(first, last):
            others += codes[i, j] != own
    for c in range(field.classes):
        field.seen[c] = 0
    if others == 0:
        return 0
    known = 0
    for i in range(row - field.reach, row + field.reach + 1):
        for j in range(first, last):
            code = codes[i, j]
            if code != NONE:
                field.seen[code] += 1
                known += 1
    return known


@in_place
def _weigh(field: Field, pixel: int, block: int) -> None:
    """What each neighbour counts, whatever the class: both ways round, on edges and beside; sums become zero."""
    planes, room, sizes, lanes = field.planes, field.room, len(field.offsets), LINE // field.room.itemsize
    known, zero = load(planes, KNOWN * field.plane + pixel), filled(room, 0.0)
    pulls = zero
    for size in range(sizes):
        pull_plane, push_plane = (WEIGHTS + size) * field.plane, (WEIGHTS + sizes + size) * field.plane
        for axis in range(4):
            away = (DOWN[2 * axis] * field.stride + RIGHT[2 * axis]) * field.offsets[size]
            place = block + (size * 4 + axis) * 5 * lanes
            there, back = pixel + away, pixel - away
            known_there, known_back = (
                load(planes, KNOWN * field.plane + there),
                load(planes, KNOWN * field.plane + back),
            )
            beyond = known * load(planes, KNOWN * field.plane + there + away)
            behind = known * load(planes, KNOWN * field.plane + back - away)
            pull, pull_back = load(planes, pull_plane + there) * beyond, load(planes, pull_plane + back) * behind
            pulls = pulls + pull + pull_back
            store(room, place, known * known_there * known_back)
            store(room, place + lanes, pull)
            store(room, place + 2 * lanes, pull_back)
            store(room, place + 3 * lanes, load(planes, push_plane + there) * beyond)
            store(room, place + 4 * lanes, load(planes, push_plane + back) * behind)
    for place in range(block + 20 * sizes * lanes, block + 22 * sizes * lanes, lanes):
        store(room, place, zero)
    store(room, block + 22 * sizes * lanes, pulls)


@in_place
def _by_probability(field: Field, here: int, to: int, block: int) -> None:
    """Writes a class's part of the gradient by logits: p times the derivative by p, of which clipped parts are zero."""
    maps, room, stride, lanes = field.maps, field.room, field.stride, LINE // field.room.itemsize
    gradients = block + (22 * len(field.offsets) + 1) * lanes
    zero, one, least, p = filled(room, 0.0), filled(room, 1.0), filled(room, LEAST), load(maps, here + PLAIN * stride)
    by_p = p * load(room, gradients) + load(room, gradients + 2 * lanes)
    by_rest = p * (load(room, gradients + lanes) + load(room, gradients + 3 * lanes) / load(maps, here + REST * stride))
    store(room, to, where_at_least(p, least, by_p, zero) - where_at_least(one - p, least, by_rest, zero))


@in_place
def _add_up(field: Field, codes: Codes, row: int, k: int, block: int, sums: Float64[np.ndarray, "2 K S"]) -> None:
    """A block's sums go to the classes of its pixels."""
    sizes, lanes = len(field.offsets), LINE // field.room.itemsize
    place = block + 20 * sizes * lanes
    for lane in range(lanes):
        code = codes[row, k + lane]
        if code != NONE:
            for kind in range(2):
                for size in range(sizes):
                    sums[kind, code, size] += field.room[place + (kind * sizes + size) * lanes + lane]
