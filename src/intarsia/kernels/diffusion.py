"""Steps in which each pixel becomes a weighted sum of its neighbours, and their gradient, one channel's map at a time.

A step reads as many weights as a pixel has neighbours, so that many steps over a whole map would read main memory many
times. Instead rows are worked through once: while the first step is at row y, the second is at row y - r, which needs
nothing below row y, the third at y - 2r, and so on (r is how far a neighbour can be). The weights of the rows between
stay in the core's cache until the last step has used them. The gradient runs through the same loop, with weights read
where they arrive instead of where they are used.
"""

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion_three import gather_three, mix_three, mix_three_back
from intarsia.kernels.lanes import LINE, Flat, copy_line, filled, load, store
from intarsia.kernels.stencil import Stencil

Map = Float[np.ndarray, "H W"]


@in_place
def begin(stencil: Stencil, weights: Flat, own: bool, first: Map, added: Map, with_added: bool, states: Flat) -> None:
    """Lay out a map, and what each step adds: `added` if it is there, and if not `own`, the first state's own weight."""
    lanes, stride, slots = LINE // states.itemsize, stencil.stride, stencil.slots
    block = slots * stride
    for row in range(-stencil.radius, stencil.height + stencil.radius):
        line = (row + stencil.radius) * block
        plus = line + block - stride
        inside = 0 <= row < stencil.height
        if inside:
            for k in range(0, stride, lanes):
                store(states, line + k, filled(states, 0.0))
                store(states, plus + k, filled(states, 0.0))
            store(states, line + stride, filled(states, 0.0))  # what lies behind the first state's line
        else:
            for k in range(0, block, lanes):
                store(states, line + k, filled(states, 0.0))
            continue
        copy_line(first[row], 0, stencil.width, states, line + lanes)
        if with_added:
            copy_line(added[row], 0, stencil.width, states, plus + lanes)
        if not own:
            weight = (row + stencil.radius) * stencil.lines * stride + (stencil.lines - 1) * stride
            for k in range(lanes, stride, lanes):
                more = load(weights, weight + k) * load(states, line + k)
                store(states, plus + k, load(states, plus + k) + more)
    store(states, len(states) - lanes, filled(states, 0.0))


@in_place
def diffuse(stencil: Stencil, weights: Flat, backwards: bool, states: Flat) -> None:
    """All steps; backwards weights go the other way and nothing is added."""
    stride, radius, slots, steps = stencil.stride, stencil.radius, stencil.slots, stencil.steps
    kept = slots > 3 or steps < 2
    for start in range(0, steps, stencil.together):
        count = min(stencil.together, steps - start)
        for front in range(stencil.height + (count - 1) * radius):
            for number in range(count):
                row = front - number * radius
                if 0 <= row < stencil.height:
                    step = start + number
                    source, target = (step, step + 1) if kept else (step % 2, (step + 1) % 2)
                    line = (row + radius) * slots * stride
                    source, target = line + source * stride, line + target * stride
                    store(states, target, filled(states, 0.0))
                    store(states, target + stride, filled(states, 0.0))
                    if radius > 1:
                        _mix(stencil, weights, row, backwards, states, source, target)
                    elif backwards:
                        mix_three_back(stencil, weights, row, states, source, target)
                    else:
                        mix_three(stencil, weights, row, states, source, target)


@in_place
def _mix(
    stencil: Stencil, weights: Flat, row: int, backwards: bool, states: Flat, source: int, target: int
) -> None:
    """One step of one row, two vectors at a time: without the zeros in front a line is an even number of them."""
    stride, lanes = stencil.stride, LINE // states.itemsize
    weight = (row + stencil.radius) * stencil.lines * stride
    plus = ((row + stencil.radius + 1) * stencil.slots - 1) * stride
    to_weight, to_state, sign = stencil.to_weight[1 if backwards else 0], stencil.to_state, -1 if backwards else 1
    for k in range(lanes, stride, 2 * lanes):
        total, beside = load(states, plus + k), load(states, plus + k + lanes)
        for tap in range(stencil.taps):
            at, of = weight + to_weight[tap] + k, source + sign * to_state[tap] + k
            total = total + load(weights, at) * load(states, of)
            beside = beside + load(weights, at + lanes) * load(states, of + lanes)
        store(states, target + k, total)
        store(states, target + k + lanes, beside)


@in_place
def take(stencil: Stencil, states: Flat, slot: int, result: Map) -> None:
    """One of the states as a map."""
    lanes = LINE // states.itemsize
    for row in range(stencil.height):
        line = ((row + stencil.radius) * stencil.slots + slot) * stencil.stride + lanes
        copy_line(states, line, stencil.width, result[row], 0)


@in_place
def gather_gradients(
    stencil: Stencil, weights: Flat, own: bool, states: Flat, adjoints: Flat, grad_weights: Flat,
    grad_first: Map, grad_added: Map,
) -> None:  # fmt: skip
    """From the states and the gradients of each, the last of which is in slot 0; those of weights are added."""
    lanes, stride, slots, steps = LINE // states.itemsize, stencil.stride, stencil.slots, stencil.steps
    for row in range(stencil.height):
        line = (row + stencil.radius) * slots * stride
        weight = (row + stencil.radius) * stencil.lines * stride
        plus = line + (slots - 1) * stride
        if stencil.radius > 1:
            _gather(stencil, states, line, adjoints, grad_weights, weight)
        else:
            gather_three(stencil, states, line, adjoints, grad_weights, weight)
        if not own:
            for k in range(lanes, stride, lanes):
                last, total = weight + (stencil.lines - 1) * stride + k, load(adjoints, plus + k)
                store(grad_weights, last, load(grad_weights, last) + total * load(states, line + k))
                reached = line + steps * stride + k
                store(adjoints, reached, load(adjoints, reached) + total * load(weights, last))
        copy_line(adjoints, line + steps * stride + lanes, stencil.width, grad_first[row], 0)
        copy_line(adjoints, plus + lanes, stencil.width, grad_added[row], 0)


@in_place
def _gather(stencil: Stencil, states: Flat, line: int, adjoints: Flat, grad_weights: Flat, weight: int) -> None:
    """Of one row; the sum of all gradients goes where what is added to a step lies."""
    lanes, stride, steps = LINE // states.itemsize, stencil.stride, stencil.steps
    plus = line + (stencil.slots - 1) * stride
    for k in range(lanes, stride, lanes):
        total, newest = filled(states, 0.0), line + (steps - 1) * stride + k
        for step in range(steps):
            total = total + load(adjoints, line + step * stride + k)
        store(adjoints, plus + k, total)
        for tap in range(0, stencil.taps - 3, 4):
            _gather_four(stencil, states, line + k, adjoints, newest, grad_weights, weight + k, tap)
        for tap in range(stencil.taps // 4 * 4, stencil.taps):
            place, of = weight + tap * stride + k, line + stencil.to_state[tap] + k
            found = load(grad_weights, place)
            for step in range(steps):
                found = found + load(adjoints, newest - step * stride) * load(states, of + step * stride)
            store(grad_weights, place, found)


@in_place
def _gather_four(
    stencil: Stencil, states: Flat, line: int, adjoints: Flat, newest: int, grad_weights: Flat, weight: int, tap: int
) -> None:
    """Gradients of the weights of four neighbours at once, which share what they read and do not wait for each other."""
    stride = stencil.stride
    of0, of1 = line + stencil.to_state[tap], line + stencil.to_state[tap + 1]
    of2, of3 = line + stencil.to_state[tap + 2], line + stencil.to_state[tap + 3]
    place = weight + tap * stride
    found0, found1 = load(grad_weights, place), load(grad_weights, place + stride)
    found2, found3 = load(grad_weights, place + 2 * stride), load(grad_weights, place + 3 * stride)
    for step in range(stencil.steps):
        arriving, later = load(adjoints, newest - step * stride), step * stride
        found0 = found0 + arriving * load(states, of0 + later)
        found1 = found1 + arriving * load(states, of1 + later)
        found2 = found2 + arriving * load(states, of2 + later)
        found3 = found3 + arriving * load(states, of3 + later)
    store(grad_weights, place, found0)
    store(grad_weights, place + stride, found1)
    store(grad_weights, place + 2 * stride, found2)
    store(grad_weights, place + 3 * stride, found3)
