"""One row of a diffusion with 3×3 neighbours, from whole cache lines.

A neighbour to the left or right begins in the midst of a cache line, and to read it touches two. Here each line is read
once, and its neighbours are made from it and the one before or behind. Where a product would have to be made of two
shifted lines, the products are added up first and the sum is shifted.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Stencil, gradients_at, order, states_at, weights_at
from intarsia.kernels.vectors.lanes import Flat, filled, load, one_left, one_right, store
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def mix_three(stencil: Stencil, weights: Flat, row: int, states: Flat, source: int, target: int) -> None:
    """One step of one row."""
    lanes, stride = LINE // states.itemsize, stencil.stride
    first, to = order(stencil)
    w, own = weights_at(stencil, row) + first, weights_at(stencil, row) + 8 * stride
    plus = states_at(stencil, row) + (stencil.slots - 1) * stride
    above, here = states_at(stencil, row - 1) + source, states_at(stencil, row) + source
    below = states_at(stencil, row + 1) + source
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
        if stencil.own:
            beside = beside + load(weights, own + k) * b1
        store(states, target + k, total + beside)
        a0, b0, c0 = a1, b1, c1
        a1, b1, c1 = a2, b2, c2


@in_place
def mix_three_back(stencil: Stencil, weights: Flat, row: int, states: Flat, source: int, target: int) -> None:
    """One step of one row of the gradient: it comes from the rows below, here and above by the weights there."""
    lanes, stride = LINE // states.itemsize, stencil.stride
    first, to = order(stencil)
    here, own = weights_at(stencil, row) + first, weights_at(stencil, row) + 8 * stride
    below, above = weights_at(stencil, row + 1) + first, weights_at(stencil, row - 1) + first + 5 * to
    left, right = below, below + 2 * to
    a_line, b_line = states_at(stencil, row + 1) + source, states_at(stencil, row) + source
    c_line, sum0 = states_at(stencil, row - 1) + source, filled(states, 0.0)
    a1, b1, c1 = load(states, a_line + lanes), load(states, b_line + lanes), load(states, c_line + lanes)
    to_left = load(weights, left + lanes) * a1
    to_left = to_left + load(weights, here + 3 * to + lanes) * b1 + load(weights, above + lanes) * c1
    for k in range(lanes, stride, lanes):
        to_right = load(weights, right + k) * a1
        to_right = to_right + load(weights, here + 4 * to + k) * b1 + load(weights, above + 2 * to + k) * c1
        straight = load(weights, below + to + k) * a1 + load(weights, above + to + k) * c1
        if stencil.own:
            straight = straight + load(weights, own + k) * b1
        behind = k + lanes
        a1, b1, c1 = load(states, a_line + behind), load(states, b_line + behind), load(states, c_line + behind)
        left_behind = load(weights, left + behind) * a1
        left_behind = left_behind + load(weights, here + 3 * to + behind) * b1 + load(weights, above + behind) * c1
        store(states, target + k, straight + one_right(sum0, to_right) + one_left(to_left, left_behind))
        sum0, to_left = to_right, left_behind


@in_place
def gather_three(stencil: Stencil, row: int, states: Flat, adjoints: Flat, grad_weights: Flat) -> None:
    """Gradients of one row's weights: products are added up where the neighbour is, and written where the pixel is."""
    lanes, stride, steps, zero = LINE // states.itemsize, stencil.stride, stencil.steps, filled(states, 0.0)
    first, to = order(stencil)
    w, last = gradients_at(stencil, row) + first, gradients_at(stencil, row) + 8 * stride
    above, here, below = states_at(stencil, row - 1), states_at(stencil, row), states_at(stencil, row + 1)
    for k in range(lanes, stride, lanes):
        g0, g1, g2, g3, g4, g5, g6, g7, own = zero, zero, zero, zero, zero, zero, zero, zero, zero
        for step in range(steps):
            at, then = here + (steps - 1 - step) * stride + k, step * stride + k
            straight, before, behind = load(adjoints, at), load(adjoints, at - lanes), load(adjoints, at + lanes)
            left, right = one_left(straight, behind), one_right(before, straight)
            a, b, c = load(states, above + then), load(states, here + then), load(states, below + then)
            g0, g1, g2 = g0 + left * a, g1 + straight * a, g2 + right * a
            g3, own, g4 = g3 + left * b, own + straight * b, g4 + right * b
            g5, g6, g7 = g5 + left * c, g6 + straight * c, g7 + right * c
        _add(grad_weights, w + k + 1, g0)
        _add(grad_weights, w + to + k, g1)
        _add(grad_weights, w + 2 * to + k - 1, g2)
        _add(grad_weights, w + 3 * to + k + 1, g3)
        _add(grad_weights, w + 4 * to + k - 1, g4)
        _add(grad_weights, w + 5 * to + k + 1, g5)
        _add(grad_weights, w + 6 * to + k, g6)
        _add(grad_weights, w + 7 * to + k - 1, g7)
        if stencil.own:
            _add(grad_weights, last + k, own)


@in_place
def _add(target: Flat, place: int, vector) -> None:  # noqa: ANN001 - a vector
    store(target, place, load(target, place) + vector)
