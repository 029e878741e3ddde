"""Steps in which each pixel becomes a weighted sum of its neighbours, one channel's map at a time.

A step reads as many weights as a pixel has neighbours, so that many steps over a whole map would read main memory many
times. Instead rows are worked through once: while the first step is at row y, the second is at row y - r, which needs
nothing below row y, the third at y - 2r, and so on (r is how far a neighbour can be). What lies between stays in the
core's cache until the last step has used it.
"""

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.stencil import Map, Stencil, first_row, last_row, order, states_at, weights_at
from intarsia.kernels.diffusion.three import mix_three, mix_three_back
from intarsia.kernels.diffusion.weights import Source, lay_out_weights
from intarsia.kernels.vectors.arithmetic import total
from intarsia.kernels.vectors.lanes import Flat, copy_line, filled, load, store
from intarsia.kernels.vectors.vector_type import LINE


@in_place
def diffuse(
    stencil: Stencil, source: Source, fresh: bool, weights: Flat, first: Map, added: Map, with_added: bool,
    states: Flat, result: Map,
) -> bool:  # fmt: skip
    """All steps from the map `first`; each adds `added` if it is there. Whether the result is finite.

    Weights are laid out on the way, unless another channel has done that already.
    """
    lanes, finite = LINE // states.itemsize, True
    reach, lag = stencil.radius, (stencil.steps - 1) * stencil.radius
    start = first_row(stencil, 0)
    for row in range(start - reach, start + reach):
        enter(stencil, source, fresh, weights, first, added, with_added, stencil.own, row, states)
    for front in range(start, stencil.end + lag, stencil.together):
        for row in range(front, front + stencil.together):
            enter(stencil, source, fresh, weights, first, added, with_added, stencil.own, row + reach, states)
        for step in range(stencil.steps):
            for row in range(front - step * reach, front - step * reach + stencil.together):
                take_step(stencil, weights, step, row, False, states)
        for row in range(max(front - lag, stencil.begin), min(front - lag + stencil.together, stencil.end)):
            line = states_at(stencil, row) + stencil.steps % 2 * stencil.stride + lanes
            copy_line(states, line, stencil.width, result[row], 0)
            finite &= _are_finite(states, line, stencil.width)
    return finite


@in_place
def _are_finite(states: Flat, line: int, count: int) -> bool:
    nothing, lanes = filled(states, 0.0), LINE // states.itemsize
    for k in range(line, line + count, lanes):  # behind the map are zeros
        nothing = nothing + (load(states, k) - load(states, k))
    return total(nothing) == 0


@in_place
def enter(
    stencil: Stencil, source: Source, fresh: bool, weights: Flat, first: Map, added: Map, with_added: bool,
    bare: bool, row: int, states: Flat,
) -> None:  # fmt: skip
    """A row's weights, if `fresh`, its first state, and what its steps add.

    That is the first state's own weight, if not `bare`, and what is `added`. Beside the map all are zeros.
    """
    lanes, stride = LINE // states.itemsize, stencil.stride
    if row >= last_row(stencil, -1) + stencil.radius:
        return
    if fresh:
        lay_out_weights(stencil, source, row, weights)
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
def take_step(stencil: Stencil, weights: Flat, step: int, row: int, backwards: bool, states: Flat) -> None:
    """One step of one row, if it is to be computed."""
    if not first_row(stencil, step) <= row < last_row(stencil, step):
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
        found, beside = load(states, plus + k), load(states, plus + k + lanes)
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
                found = found + load(weights, at) * load(states, of)
                beside = beside + load(weights, at + lanes) * load(states, of + lanes)
        store(states, target + k, found)
        store(states, target + k + lanes, beside)
