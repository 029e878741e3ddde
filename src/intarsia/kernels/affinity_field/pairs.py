"""What one class's map of a block of pixels has to do with its neighbours' maps.

With q the neighbour's probability and p the centre's, a pair's divergence q log q/p + (1-q) log (1-q)/(1-p) is a sum of
products of what is known of each pixel. A pixel is a centre, and it is the neighbour of its neighbours: both parts of
its gradient are gathered here, so that no pixel writes to another.
"""

from intarsia.kernels.affinity_field.layout import (
    CLASS,
    CLIPPED,
    DOWN,
    INNER,
    LOG,
    LOG_REST,
    REST,
    RIGHT,
    WEIGHTS,
    Field,
)
from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.arithmetic import smaller
from intarsia.kernels.vectors.lanes import filled, load, store, where_at_least
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def alike(field: Field, here: int, pixel: int, block: int) -> None:
    """No pair of the block has an edge for this class: neighbours are added up first."""
    maps, room, stride, shifts = field.maps, field.room, field.stride, field.shifts
    sizes, lanes = len(field.offsets), LINE // room.itemsize
    log_a, log_b = load(maps, here + LOG * stride), load(maps, here + LOG_REST * stride)
    sums, gradients = block + 20 * sizes * lanes, block + (22 * sizes + 1) * lanes
    as_a, as_b, as_log_a, as_log_b = filled(room, 0.0), filled(room, 0.0), filled(room, 0.0), filled(room, 0.0)
    for size in range(sizes):
        a, b, inner = filled(room, 0.0), filled(room, 0.0), filled(room, 0.0)
        for axis in range(4):
            there, back = here + shifts[size, 2 * axis], here + shifts[size, 2 * axis + 1]
            weights = block + (size * 4 + axis) * 5 * lanes
            valid, pull, pull_back = load(room, weights), load(room, weights + lanes), load(room, weights + 2 * lanes)
            a = a + valid * (load(maps, there + CLIPPED * stride) + load(maps, back + CLIPPED * stride))
            b = b + valid * (load(maps, there + REST * stride) + load(maps, back + REST * stride))
            inner = inner + valid * (load(maps, there + INNER * stride) + load(maps, back + INNER * stride))
            as_a = as_a - pull * load(maps, there + LOG * stride) - pull_back * load(maps, back + LOG * stride)
            as_b = (
                as_b - pull * load(maps, there + LOG_REST * stride) - pull_back * load(maps, back + LOG_REST * stride)
            )
        own = load(field.planes, (WEIGHTS + size) * field.plane + pixel)
        as_log_a, as_log_b = as_log_a - own * a, as_log_b - own * b
        place = sums + size * lanes
        store(room, place, load(room, place) + (inner - a * log_a - b * log_b))
    pulls, one = load(room, gradients - lanes), filled(room, 1.0)
    store(room, gradients, as_a + (log_a + one) * pulls)
    store(room, gradients + lanes, as_b + (log_b + one) * pulls)
    store(room, gradients + 2 * lanes, as_log_a)
    store(room, gradients + 3 * lanes, as_log_b)


@in_place
def mixed(field: Field, here: int, pixel: int, block: int, c: int) -> None:
    """Some pairs have an edge, some have not: each is weighed by itself."""
    maps, room, planes, stride, shifts = field.maps, field.room, field.planes, field.stride, field.shifts
    sizes, lanes = len(field.offsets), LINE // room.itemsize
    sums, gradients = block + 20 * sizes * lanes, block + (22 * sizes + 1) * lanes
    zero, one, margin, index = filled(room, 0.0), filled(room, 1.0), filled(room, field.margin), filled(room, c)
    a, b = load(maps, here + CLIPPED * stride), load(maps, here + REST * stride)
    log_a, log_b = load(maps, here + LOG * stride), load(maps, here + LOG_REST * stride)
    inner = load(maps, here + INNER * stride)
    is_other = smaller(abs(load(planes, CLASS * field.plane + pixel) - index), one)  # classes are whole numbers
    as_a, as_b, as_log_a, as_log_b = zero, zero, zero, zero
    for size in range(sizes):
        own_pull = load(planes, (WEIGHTS + size) * field.plane + pixel)
        own_push = load(planes, (WEIGHTS + sizes + size) * field.plane + pixel)
        beside, on_edge = load(room, sums + size * lanes), load(room, sums + (sizes + size) * lanes)
        for direction in range(8):
            there = here + shifts[size, direction]
            away = (DOWN[direction] * stride + RIGHT[direction]) * field.offsets[size]
            weights = block + (size * 4 + direction // 2) * 5 * lanes
            valid = load(room, weights)
            pull = load(room, weights + (1 + direction % 2) * lanes)
            push = load(room, weights + (3 + direction % 2) * lanes)
            a_there, b_there = load(maps, there + CLIPPED * stride), load(maps, there + REST * stride)
            log_a_there, log_b_there = load(maps, there + LOG * stride), load(maps, there + LOG_REST * stride)
            edge = abs(is_other - smaller(abs(load(planes, CLASS * field.plane + pixel + away) - index), one))
            divergence = load(maps, there + INNER * stride) - a_there * log_a - b_there * log_b
            left = margin - divergence
            pushed, same = where_at_least(zero, left, zero, edge) * valid, (one - edge) * valid
            beside, on_edge = beside + same * divergence, on_edge + pushed * left
            slope = own_pull * same - own_push * pushed
            as_log_a, as_log_b = as_log_a - slope * a_there, as_log_b - slope * b_there
            left = margin - (inner - a * log_a_there - b * log_b_there)
            slope = pull * (one - edge) - push * where_at_least(zero, left, zero, edge)
            as_a = as_a + slope * (log_a + one - log_a_there)
            as_b = as_b + slope * (log_b + one - log_b_there)
        store(room, sums + size * lanes, beside)
        store(room, sums + (sizes + size) * lanes, on_edge)
    store(room, gradients, as_a)
    store(room, gradients + lanes, as_b)
    store(room, gradients + 2 * lanes, as_log_a)
    store(room, gradients + 3 * lanes, as_log_b)
