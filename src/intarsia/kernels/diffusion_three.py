"""One row of a diffusion with 3×3 neighbours, from whole cache lines.

A neighbour to the left or right begins in the midst of a cache line, and to read it touches two. Here each line is read
once, and its neighbours are made from it and the one before or behind. Where a product would have to be made of two
shifted lines, the products are added up first and the sum is shifted.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.lanes import LINE, Flat, filled, load, one_left, one_right, store
from intarsia.kernels.stencil import Stencil


@in_place
def _order(stencil: Stencil) -> tuple[int, int]:
    """Where the weights of the neighbour above left lie, and how far it is to the next in reading order."""
    return (7 * stencil.stride, -stencil.stride) if stencil.down[0] > 0 else (0, stencil.stride)


@in_place
def mix_three(stencil: Stencil, weights: Flat, row: int, states: Flat, source: int, target: int) -> None:
    """One step of one row."""
    lanes, stride, block = LINE // states.itemsize, stencil.stride, stencil.slots * stencil.stride
    first, to = _order(stencil)
    w = (row + 1) * stencil.lines * stride + first
    own = (row + 1) * stencil.lines * stride + 8 * stride
    plus = (row + 3 - 1) * block - stride
    above, here, below = source - block, source, source + block
    a0, b0, c0 = filled(states, 0.0), filled(states, 0.0), filled(states, 0.0)
    a1, b1, c1 = load(states, above + lanes), load(states, here + lanes), load(states, below + lanes)
    for k in range(lanes, stride, lanes):
        behind = k + lanes
        a2, b2, c2 = load(states, above + behind), load(states, here + behind), load(states, below + behind)
        total = load(states, plus + k) + load(weights, w + k) * one_right(a0, a1)
        beside = load(weights, w + to + k) * a1 + load(weights, w + 2 * to + k) * one_left(a1, a2)
        total = total + load(weights, w + 3 * to + k) * one_right(b0, b1)
        beside = beside + load(weights, w + 4 * to + k) * one_left(b1, b2)
        total = total + load(weights, w + 5 * to + k) * one_right(c0, c1)
        beside = beside + load(weights, w + 6 * to + k) * c1
        total = total + load(weights, w + 7 * to + k) * one_left(c1, c2)
        if stencil.taps == 9:
            beside = beside + load(weights, own + k) * b1
        store(states, target + k, total + beside)
        a0, b0, c0 = a1, b1, c1
        a1, b1, c1 = a2, b2, c2


@in_place
def mix_three_back(stencil: Stencil, weights: Flat, row: int, states: Flat, source: int, target: int) -> None:
    """One step of one row of the gradient: it comes from the rows below, here and above by the weights there."""
    lanes, stride, block = LINE // states.itemsize, stencil.stride, stencil.slots * stencil.stride
    first, to = _order(stencil)
    rows = stencil.lines * stride
    here, own = (row + 1) * rows + first, (row + 1) * rows + 8 * stride
    below, above = here + rows, here - rows + 5 * to  # weights that lead up to this row, and down to it
    left, right = below, below + 2 * to
    sum0 = filled(states, 0.0)
    a1, b1, c1 = load(states, source + block + lanes), load(states, source + lanes), load(states, source - block + lanes)
    to_left = load(weights, left + lanes) * a1
    to_left = to_left + load(weights, here + 3 * to + lanes) * b1 + load(weights, above + lanes) * c1
    for k in range(lanes, stride, lanes):
        to_right = load(weights, right + k) * a1
        to_right = to_right + load(weights, here + 4 * to + k) * b1 + load(weights, above + 2 * to + k) * c1
        straight = load(weights, below + to + k) * a1 + load(weights, above + to + k) * c1
        if stencil.taps == 9:
            straight = straight + load(weights, own + k) * b1
        behind = k + lanes
        a1, b1 = load(states, source + block + behind), load(states, source + behind)
        c1 = load(states, source - block + behind)
        left_behind = load(weights, left + behind) * a1
        left_behind = left_behind + load(weights, here + 3 * to + behind) * b1 + load(weights, above + behind) * c1
        store(states, target + k, straight + one_right(sum0, to_right) + one_left(to_left, left_behind))
        sum0, to_left = to_right, left_behind


@in_place
def gather_three(stencil: Stencil, states: Flat, line: int, adjoints: Flat, grad_weights: Flat, weight: int) -> None:
    """Of one row; the sum of all gradients goes where what is added to a step lies.

    Products are added up where the neighbour is, and written where its weight is.
    """
    lanes, stride, steps = LINE // states.itemsize, stencil.stride, stencil.steps
    block, zero = stencil.slots * stride, filled(states, 0.0)
    first, to = _order(stencil)
    w = weight + first
    for k in range(lanes, stride, lanes):
        total, g0, g1, g2, g3, g4, g5, g6, g7, own = zero, zero, zero, zero, zero, zero, zero, zero, zero, zero
        for step in range(steps):
            at, of = line + (steps - 1 - step) * stride + k, line + step * stride + k
            arriving = load(adjoints, at)
            of_left, of_right = one_right(load(adjoints, at - lanes), arriving), one_left(arriving, load(adjoints, at + lanes))
            a, b, c = load(states, of - block), load(states, of), load(states, of + block)
            total = total + arriving
            g0, g1, g2 = g0 + of_right * a, g1 + arriving * a, g2 + of_left * a
            g3, own, g4 = g3 + of_right * b, own + arriving * b, g4 + of_left * b
            g5, g6, g7 = g5 + of_right * c, g6 + arriving * c, g7 + of_left * c
        store(adjoints, line + block - stride + k, total)
        _add(grad_weights, w + k + 1, g0)
        _add(grad_weights, w + to + k, g1)
        _add(grad_weights, w + 2 * to + k - 1, g2)
        _add(grad_weights, w + 3 * to + k + 1, g3)
        _add(grad_weights, w + 4 * to + k - 1, g4)
        _add(grad_weights, w + 5 * to + k + 1, g5)
        _add(grad_weights, w + 6 * to + k, g6)
        _add(grad_weights, w + 7 * to + k - 1, g7)
        if stencil.taps == 9:
            _add(grad_weights, weight + 8 * stride + k, own)


@in_place
def _add(target: Flat, place: int, vector) -> None:  # noqa: ANN001 - a vector
    store(target, place, load(target, place) + vector)
