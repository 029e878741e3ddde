"""The gradient of a diffusion, one channel's map at a time.

It runs through the rows like the steps themselves, with weights read where they arrive instead of where they are used.
The states that it needs are computed again beside it, row for row: that costs less than to write them to main memory
and read them back, and no step has to be kept.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Map, Stencil, first_row, gradients_at, order, states_at, weights_at
from intarsia.kernels.diffusion.steps import enter, take_step
from intarsia.kernels.diffusion.three import gather_three
from intarsia.kernels.diffusion.weights import Guidance, Source, guidance_gradient
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def diffuse_back(
    stencil: Stencil, source: Source, fresh: bool, complete: bool, weights: Flat, grad: Map, first: Map, added: Map,
    with_added: bool, states: Flat, adjoints: Flat, grad_weights: Flat, room: Flat, grad_first: Map, grad_added: Map,
    grad_guidance: Guidance,
) -> None:  # fmt: skip
    """Gradients of the first map, of what is added, and with the last channel, when it is `complete`, of the guidance.

    The first channel, which lays out weights that are `fresh`, also clears their gradient.
    """
    reach, lag = stencil.radius, (stencil.steps - 1) * stencil.radius
    start = first_row(stencil, 0)
    for row in range(start - reach, start + reach):
        enter(stencil, source, fresh, weights, first, added, with_added, stencil.own, row, states)
        enter(stencil, source, False, weights, grad, grad, False, True, row, adjoints)
    for front in range(start, stencil.end + lag, stencil.together):
        for row in range(front + reach, front + reach + stencil.together):
            enter(stencil, source, fresh, weights, first, added, with_added, stencil.own, row, states)
            enter(stencil, source, False, weights, grad, grad, False, True, row, adjoints)
        for step in range(stencil.steps):
            line = front - step * reach
            if step < stencil.steps - 1:
                for row in range(line, line + stencil.together):
                    take_step(stencil, weights, step, row, False, states)
            for row in range(line, line + stencil.together):
                take_step(stencil, weights, step, row, True, adjoints)
        for row in range(max(front - lag, stencil.begin), min(front - lag + stencil.together, stencil.end)):
            _leave(stencil, weights, fresh, row, states, adjoints, grad_weights, grad_first, grad_added)
            if complete:
                guidance_gradient(stencil, source, row, grad_weights, room, grad_guidance)


@in_place
def _leave(
    stencil: Stencil, weights: Flat, fresh: bool, row: int, states: Flat, adjoints: Flat, grad_weights: Flat,
    grad_first: Map, grad_added: Map,
) -> None:  # fmt: skip
    lanes, block = LINE // states.itemsize, stencil.lines * stencil.stride
    if fresh:
        place = gradients_at(stencil, row)
        for k in range(place, place + block, lanes):
            store(grad_weights, k, filled(grad_weights, 0.0))
    _gather(stencil, weights, row, states, adjoints, grad_weights)
    line = states_at(stencil, row) + lanes
    copy_line(adjoints, line + stencil.steps * stencil.stride, stencil.width, grad_first[row], 0)
    copy_line(adjoints, line + (stencil.steps + 1) * stencil.stride, stencil.width, grad_added[row], 0)


@in_place
def _gather(stencil: Stencil, weights: Flat, row: int, states: Flat, adjoints: Flat, grad_weights: Flat) -> None:
    """Gradients of one row's weights, and the sum of all gradients, which goes where what a step adds lies."""
    lanes, stride, steps = LINE // states.itemsize, stencil.stride, stencil.steps
    line, last = states_at(stencil, row), (stencil.lines - 1) * stride
    own, found = weights_at(stencil, row) + last, gradients_at(stencil, row) + last
    for k in range(lanes, stride, lanes):
        total = filled(states, 0.0)
        for step in range(steps):
            total = total + load(adjoints, line + step * stride + k)
        store(adjoints, line + (steps + 1) * stride + k, total)
        if not stencil.own:
            store(grad_weights, found + k, load(grad_weights, found + k) + total * load(states, line + k))
            reached = line + steps * stride + k
            store(adjoints, reached, load(adjoints, reached) + total * load(weights, own + k))
    if stencil.radius > 1:
        _gather_any(stencil, row, states, adjoints, grad_weights)
    else:
        gather_three(stencil, row, states, adjoints, grad_weights)


@in_place
def _gather_any(stencil: Stencil, row: int, states: Flat, adjoints: Flat, grad_weights: Flat) -> None:
    stride, lanes, radius, steps = stencil.stride, LINE // states.itemsize, stencil.radius, stencil.steps
    first, to_next = order(stencil)
    newest = states_at(stencil, row) + (steps - 1) * stride
    for k in range(lanes, stride, 2 * lanes):
        tap = gradients_at(stencil, row) + first + k
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                of, at = states_at(stencil, row + down) + right + k, tap
                if down == 0 and right == 0:
                    at = gradients_at(stencil, row) + (stencil.lines - 1) * stride + k
                    if not stencil.own:
                        continue
                else:
                    tap += to_next
                found, beside = load(grad_weights, at), load(grad_weights, at + lanes)
                for step in range(steps):
                    arriving, then = newest - step * stride + k, of + step * stride
                    found = found + load(adjoints, arriving) * load(states, then)
                    beside = beside + load(adjoints, arriving + lanes) * load(states, then + lanes)
                store(grad_weights, at, found)
                store(grad_weights, at + lanes, beside)
