"""Steps in which each pixel becomes a weighted sum of its neighbours, and their gradient, one channel's map at a time.

A step reads as many weights as a pixel has neighbours, so that many steps over a whole map would read main memory many
times. Instead rows are worked through once: while the first step is at row y, the second is at row y - r, which needs
nothing below row y, the third at y - 2r, and so on (r is how far a neighbour can be). What lies between stays in the
core's cache until the last step has used it.

The gradient runs through the rows in the same way, with weights read where they arrive instead of where they are used.
The states that it needs are computed again beside it, row for row: that costs less than to write them to main memory
and read them back, and no step has to be kept.
"""

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Stencil, order, states_at, weights_at
from intarsia.kernels.diffusion.three import gather_three, mix_three, mix_three_back
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store
from intarsia.kernels.vectors.vector_type import LINE

Map = Float[np.ndarray, "H W"]


@in_place
def diffuse(
    stencil: Stencil, weights: Flat, first: Map, added: Map, with_added: bool, states: Flat, result: Map
) -> None:
    """All steps from the map `first`; each adds `added` if it is there."""
    lag = (stencil.steps - 1) * stencil.radius
    for row in range(-stencil.radius, stencil.radius):
        _begin(stencil, weights, first, added, with_added, stencil.own, row, states)
    for front in range(stencil.height + lag):
        _begin(stencil, weights, first, added, with_added, stencil.own, front + stencil.radius, states)
        for step in range(stencil.steps):
            _step(stencil, weights, step, front - step * stencil.radius, False, states)
        row = front - lag
        if row >= 0:
            last = states_at(stencil, row) + stencil.steps % 2 * stencil.stride
            copy_line(states, last + LINE // states.itemsize, stencil.width, result[row], 0)


@in_place
def diffuse_back(
    stencil: Stencil, weights: Flat, grad: Map, first: Map, added: Map, with_added: bool, states: Flat, adjoints: Flat,
    grad_weights: Flat, grad_first: Map, grad_added: Map,
) -> None:  # fmt: skip
    """Gradients of the first map and of what is added; those of weights are added to `grad_weights`."""
    lanes, steps, stride = LINE // states.itemsize, stencil.steps, stencil.stride
    lag = (steps - 1) * stencil.radius
    for row in range(-stencil.radius, stencil.radius):
        _begin(stencil, weights, first, added, with_added, stencil.own, row, states)
        _begin(stencil, weights, grad, grad, False, True, row, adjoints)
    for front in range(stencil.height + lag):
        _begin(stencil, weights, first, added, with_added, stencil.own, front + stencil.radius, states)
        _begin(stencil, weights, grad, grad, False, True, front + stencil.radius, adjoints)
        for step in range(steps):
            row = front - step * stencil.radius
            if step < steps - 1:
                _step(stencil, weights, step, row, False, states)
            _step(stencil, weights, step, row, True, adjoints)
        row = front - lag
        if row < 0:
            continue
        _gather(stencil, weights, row, states, adjoints, grad_weights)
        line = states_at(stencil, row) + lanes
        copy_line(adjoints, line + steps * stride, stencil.width, grad_first[row], 0)
        copy_line(adjoints, line + (steps + 1) * stride, stencil.width, grad_added[row], 0)


@in_place
def _begin(
    stencil: Stencil, weights: Flat, first: Map, added: Map, with_added: bool, bare: bool, row: int, states: Flat
) -> None:
    """A row's first state, and what its steps add: the first state's own weight, if not bare; beside the map zeros."""
    lanes, stride = LINE // states.itemsize, stencil.stride
    if row >= stencil.height + stencil.radius:
        return
    line, block = states_at(stencil, row), stencil.slots * stencil.stride
    if not 0 <= row < stencil.height:
        for k in range(line, line + block + lanes, lanes):
            store(states, k, filled(states, 0.0))
        return
    plus = line + block - stride
    for k in range(0, stride, lanes):
        store(states, line + k, filled(states, 0.0))
        store(states, plus + k, filled(states, 0.0))
    store(states, line + stride, filled(states, 0.0))  # what lies behind the first state
    copy_line(first[row], 0, stencil.width, states, line + lanes)
    if with_added:
        copy_line(added[row], 0, stencil.width, states, plus + lanes)
    if not bare:
        weight = weights_at(stencil, row) + (stencil.lines - 1) * stride
        for k in range(lanes, stride, lanes):
            store(states, plus + k, load(states, plus + k) + load(weights, weight + k) * load(states, line + k))


@in_place
def _step(stencil: Stencil, weights: Flat, step: int, row: int, backwards: bool, states: Flat) -> None:
    """One step of one row, if there is such a row."""
    if not 0 <= row < stencil.height:
        return
    if stencil.slots == 3:
        source, target = step % 2 * stencil.stride, (step + 1) % 2 * stencil.stride
    else:
        source, target = step * stencil.stride, (step + 1) * stencil.stride
    line = states_at(stencil, row) + target
    store(states, line, filled(states, 0.0))
    store(states, line + stencil.stride, filled(states, 0.0))
    if stencil.radius > 1:
        _mix(stencil, weights, row, backwards, states, source, line)
    elif backwards:
        mix_three_back(stencil, weights, row, states, source, line)
    else:
        mix_three(stencil, weights, row, states, source, line)


@in_place
def _mix(stencil: Stencil, weights: Flat, row: int, backwards: bool, states: Flat, source: int, target: int) -> None:
    """With any neighbours, two vectors at a time: without the zeros in front a line is an even number of them."""
    stride, lanes, radius, sign = stencil.stride, LINE // states.itemsize, stencil.radius, -1 if backwards else 1
    first, to_next = order(stencil)
    plus = states_at(stencil, row) + (stencil.slots - 1) * stride
    for k in range(lanes, stride, 2 * lanes):
        total, beside = load(states, plus + k), load(states, plus + k + lanes)
        tap = first
        for down in range(-radius, radius + 1):
            there = row + sign * down
            line, weight = states_at(stencil, there) + source + k, weights_at(stencil, there if backwards else row) + k
            for right in range(-radius, radius + 1):
                of, at = line + sign * right, weight + tap - (right if backwards else 0)
                if down == 0 and right == 0:
                    if not stencil.own:
                        continue
                    at = weight + (stencil.lines - 1) * stride
                else:
                    tap += to_next
                total = total + load(weights, at) * load(states, of)
                beside = beside + load(weights, at + lanes) * load(states, of + lanes)
        store(states, target + k, total)
        store(states, target + k + lanes, beside)


@in_place
def _gather(stencil: Stencil, weights: Flat, row: int, states: Flat, adjoints: Flat, grad_weights: Flat) -> None:
    """Gradients of one row's weights, and the sum of all gradients, which goes where what a step adds lies."""
    lanes, stride, steps = LINE // states.itemsize, stencil.stride, stencil.steps
    line, own = states_at(stencil, row), weights_at(stencil, row) + (stencil.lines - 1) * stride
    for k in range(lanes, stride, lanes):
        total = filled(states, 0.0)
        for step in range(steps):
            total = total + load(adjoints, line + step * stride + k)
        store(adjoints, line + (steps + 1) * stride + k, total)
        if not stencil.own:
            store(grad_weights, own + k, load(grad_weights, own + k) + total * load(states, line + k))
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
        tap = weights_at(stencil, row) + first + k
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                of, at = states_at(stencil, row + down) + right + k, tap
                if down == 0 and right == 0:
                    at = weights_at(stencil, row) + (stencil.lines - 1) * stride + k
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
