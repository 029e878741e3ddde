"""Steps in which each pixel becomes a weighted sum of its neighbours, and their gradient, one channel's map at a time.

A step reads as many weights as a pixel has neighbours, so that many steps over a whole map would read main memory many
times. Instead rows are worked through once: while the first step is at row y, the second is at row y - r, which needs
nothing below row y, the third at y - 2r, and so on (r is how far a neighbour can be). The weights of the rows between
stay in the core's cache until the last step has used them.

Lines lie row by row, and in a row step by step; in front of each are as many zeros as a vector has lanes, so that
a neighbour beyond the border may be read. The gradient runs through the same loop: weights are then read where they
arrive instead of where they are used.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from intarsia.kernels.compiled import in_place
from intarsia.kernels.lanes import LINE, Flat, copy_line, filled, load, store

_CACHE = 1 << 19  # bytes of the lines that wait for a later step: half of a core's second cache

Map = Float[np.ndarray, "H W"]


class Stencil(NamedTuple):
    """Which neighbours there are, and how lines lie.

    Weights of row y lie from (y + radius) · lines · stride on, `lines` of them: one a neighbour, then the pixel's own.
    States of row y lie from (y + radius) · slots · stride on: before the first step, after each, and what is added.
    """

    height: int
    width: int
    radius: int
    stride: int
    steps: int
    slots: int
    """As many states as are kept, and the line that is added: steps + 2, or 3 where states take turns."""
    taps: int
    """Lines of weights that a step reads: without the pixel's own, or with it."""
    lines: int
    down: Int64[np.ndarray, " lines"]
    right: Int64[np.ndarray, " lines"]
    to_state: Int64[np.ndarray, " lines"]
    """From a state to the neighbour's."""
    to_weight: Int64[np.ndarray, "2 lines"]
    """From a row's first weight to the one that a neighbour is multiplied by; and in the second row to the one by which
    the pixel itself is multiplied for the neighbour on the other side."""
    together: int
    """Steps that run through the rows at once."""


def stencil_of(
    height: int, width: int, kernel_size: int, steps: int, itemsize: int, *, shifted: bool, own: bool, kept: bool
) -> Stencil:
    """Neighbours in reading order, or from the last to the first if shifted; the pixel itself comes after them."""
    radius = kernel_size // 2
    around = range(-radius, radius + 1)
    sign = -1 if shifted else 1
    steps_to = [(sign * down, sign * right) for down in around for right in around if down or right] + [(0, 0)]
    stride = stride_of(width, itemsize)
    down, right = (np.array(list(part)) for part in zip(*steps_to, strict=True))
    slots, places = slots_of(steps, kept=kept), np.arange(len(steps_to)) * stride
    waiting = radius * (len(steps_to) + 3) * stride * itemsize
    return Stencil(
        height=height,
        width=width,
        radius=radius,
        stride=stride,
        steps=steps,
        slots=slots,
        taps=len(steps_to) - (0 if own else 1),
        lines=len(steps_to),
        down=down,
        right=right,
        to_state=down * slots * stride + right,
        to_weight=np.stack([places, places - down * len(steps_to) * stride - right]),
        together=max(1, min(steps, _CACHE // waiting)),
    )


def sizes_of(height: int, width: int, kernel_size: int, slots: int, itemsize: int) -> tuple[int, int]:
    """How many numbers the weights of a map take, and its states."""
    rows, stride, end = height + kernel_size - 1, stride_of(width, itemsize), LINE // itemsize
    return rows * kernel_size**2 * stride + end, rows * slots * stride + end


def stride_of(width: int, itemsize: int) -> int:
    """From line to line: an odd number of cache lines, so that no two lines begin at the same place of a cache."""
    lanes = LINE // itemsize
    whole = (width + lanes - 1) // lanes + 1
    return (whole + 1 - whole % 2) * lanes


def slots_of(steps: int, *, kept: bool) -> int:
    """Lines of states in a row."""
    return steps + 2 if kept else 3


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
                    _mix(stencil, weights, row, backwards, states, line + source * stride, line + target * stride)


@in_place
def _mix(
    stencil: Stencil, weights: Flat, row: int, backwards: bool, states: Flat, source: int, target: int
) -> None:
    """One step of one row, two vectors at a time: without the zeros in front a line is an even number of them."""
    stride, lanes = stencil.stride, LINE // states.itemsize
    weight = (row + stencil.radius) * stencil.lines * stride
    plus = ((row + stencil.radius + 1) * stencil.slots - 1) * stride
    to_weight, to_state, sign = stencil.to_weight[1 if backwards else 0], stencil.to_state, -1 if backwards else 1
    store(states, target, filled(states, 0.0))
    store(states, target + stride, filled(states, 0.0))
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
        for k in range(lanes, stride, lanes):
            total = filled(states, 0.0)
            for step in range(steps):
                total = total + load(adjoints, line + step * stride + k)
            store(adjoints, plus + k, total)
            newest = line + (steps - 1) * stride + k
            for tap in range(0, stencil.taps - 3, 4):
                _gather_four(stencil, states, line + k, adjoints, newest, grad_weights, weight + k, tap)
            for tap in range(stencil.taps // 4 * 4, stencil.taps):
                place, of = weight + tap * stride + k, line + stencil.to_state[tap] + k
                found = load(grad_weights, place)
                for step in range(steps):
                    found = found + load(adjoints, newest - step * stride) * load(states, of + step * stride)
                store(grad_weights, place, found)
            if not own:
                last = weight + (stencil.lines - 1) * stride + k
                store(grad_weights, last, load(grad_weights, last) + total * load(states, line + k))
                reached = line + steps * stride + k
                store(adjoints, reached, load(adjoints, reached) + total * load(weights, last))
        copy_line(adjoints, line + steps * stride + lanes, stencil.width, grad_first[row], 0)
        copy_line(adjoints, plus + lanes, stencil.width, grad_added[row], 0)


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
