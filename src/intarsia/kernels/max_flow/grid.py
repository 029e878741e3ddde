"""A flow network on a grid of pixels: how it lies in memory, and the steps that every search on it takes.

Pixels lie row by row, with an empty row above and below and an empty column that the end of a row shares with the start
of the next, so that no step has to be tested for leaving the grid. Direction ``d`` leads along ``steps[d]``, and
``d ^ 1`` leads back. The terminals of a pixel are one signed number, positive towards the source: what a pixel could
pass straight from the source to the sink is never stored. Any state of the arrays is a feasible start, so that a
changed terminal and an unfinished search go on from where the flow stands.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt8, UInt64
from numba import types
from numba.extending import intrinsic

from intarsia.kernels.compiled import in_place, step

UNITS = 1 << 16  # of a capacity of 1; everything behind the rounding is exact
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows down, columns right; directions 0, 2, 4, 6

SOURCE, SINK = 0, 1  # the two sides
PARENT = 15  # the low bits of a state
ROOT, ORPHAN = 8, 9  # instead of a direction

u = np.uint64  # an index that is never negative needs no test for it
ONE = np.uint64(1)


class Network(NamedTuple):
    """All arrays of a grid with P places, padding included. A side is 0 (source) or 1 (sink)."""

    steps: UInt64[np.ndarray, "D"]
    """From a pixel to its neighbours, backwards by overflow."""
    capacity: Int32[np.ndarray, "P D"]
    """What can still flow along each arc."""
    rest: Int32[np.ndarray, "P"]
    """What is left of a pixel's terminal, positive towards the source."""
    leaving: UInt8[np.ndarray, "P"]
    """Bit d: something can flow from here along d."""
    entering: UInt8[np.ndarray, "P"]
    """Bit d: something can flow to here from the neighbour along d."""
    state: Int32[np.ndarray, "P"]
    """16 · label + direction of the parent; a root has label ±1, its child ±2, the sink's forest -; 0 is free."""
    link: Int32[np.ndarray, "P"]
    """The next orphan with the same label."""
    orphans: Int32[np.ndarray, "L"]
    """The first orphan of each label, or 0."""
    listed: UInt8[np.ndarray, "P"]
    """Bit 2 · side + half: the pixel is in that list."""
    lists: Int32[np.ndarray, "2 2 P"]
    """For each side two lists of pixels to grow from, now and on the next level."""
    counts: Int64[np.ndarray, "2 2"]
    """How long the lists are."""
    done: Int64[np.ndarray, "2"]
    """How many of the list for now have been grown from."""
    now: Int64[np.ndarray, "2"]
    """Which of its two lists a side grows from; the other is for the next level."""
    level: Int64[np.ndarray, "2"]
    """The level to grow from, or 0 where levels are not kept."""
    limit: Int64[np.ndarray, "2"]
    """The largest label that an orphan may take."""
    toil: Int64[np.ndarray, "2"]
    """How many orphans each side has looked after."""
    turn: Int64[np.ndarray, "1"]
    """The side that grows, or -1 between levels."""


def empty_network(height: int, width: int, directions: int) -> Network:
    """Without arcs and terminals."""
    stride = width + 1
    places = (height + 2) * stride + 1
    forward = [down * stride + right for down, right in NEIGHBOURS[: directions // 2]]
    steps = np.array([sign * step for step in forward for sign in (1, -1)], np.int64).view(np.uint64)
    per_side = [np.zeros(2, np.int64) for _ in range(5)]
    return Network(
        steps=steps,
        capacity=np.zeros((places, directions), np.int32),
        rest=np.zeros(places, np.int32),
        leaving=np.zeros(places, np.uint8),
        entering=np.zeros(places, np.uint8),
        state=np.zeros(places, np.int32),
        link=np.empty(places, np.int32),
        orphans=np.zeros(places + 8, np.int32),
        listed=np.zeros(places, np.uint8),
        lists=np.empty((2, 2, places), np.int32),
        counts=np.zeros((2, 2), np.int64),
        done=per_side[0],
        now=per_side[1],
        level=per_side[2],
        limit=per_side[3],
        toil=per_side[4],
        turn=np.full(1, -1),
    )


def inner(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels of a padded array, as a view."""
    stride = width + 1
    return values[stride + 1 : stride + 1 + height * stride].reshape(height, stride, *values.shape[1:])[:, :width]


@in_place
def fill(network: Network, edges: Float[np.ndarray, "H W d"], largest: float) -> tuple[bool, np.int64]:
    """Set all arcs; whether all weights lie from 0 to ``largest``, and the largest sum at a pixel, in units."""
    height, width, kinds = edges.shape
    steps, capacity = network.steps, network.capacity
    for row in range(height):
        for column in range(width):
            p = u((row + 1) * (width + 1) + column + 1)
            for kind in range(kinds):
                inside = (kind == 0 or row < height - 1) and (kind != 3 or column > 0)
                if not inside or (column == width - 1 and (kind == 0 or kind == 2)):
                    continue
                weight = np.float64(edges[row, column, kind])
                if not 0 <= weight <= largest:
                    return False, np.int64(0)
                d = u(2 * kind)
                capacity[p, d] = capacity[p + steps[d], d ^ ONE] = np.int32(weight * UNITS + 0.5)
    most = np.int64(0)
    for p in range(len(capacity)):
        total, arcs = np.int64(0), np.uint8(0)
        for d in range(2 * kinds):
            total += capacity[p, d]
            if capacity[p, d] > 0:
                arcs |= np.uint8(1 << d)
        most = max(most, total)
        network.leaving[p] = network.entering[p] = arcs
    return True, most


@in_place
def tie(network: Network, terminals: Float[np.ndarray, "H W"], kept: Int32[np.ndarray, "H W"], hard: int) -> bool:
    """Add what is new in the terminals, which then lie in ``kept`` as units within ±hard; false if one is NaN."""
    height, width = terminals.shape
    for row in range(height):
        for column in range(width):
            if np.isnan(terminals[row, column]):
                return False
    for row in range(height):
        for column in range(width):
            units = in_units(terminals[row, column], hard)
            network.rest[u((row + 1) * (width + 1) + column + 1)] += units - kept[row, column]
            kept[row, column] = units
    return True


@step
def in_units(terminal: float, hard: int) -> np.int32:
    """To the nearest; beyond ``hard`` nothing changes any more."""
    return np.int32(np.rint(min(max(np.float64(terminal) * UNITS, -np.float64(hard)), np.float64(hard))))


@in_place
def energy_of(network: Network, terminals: Int32[np.ndarray, "H W"]) -> np.int64:
    """Of the labeling that the source's forest is: the terminals and the arcs that it cuts, in units."""
    height, width = terminals.shape
    total = np.int64(0)
    for row in range(height):
        for column in range(width):
            p = u((row + 1) * (width + 1) + column + 1)
            here = network.state[p] > 0
            if (terminals[row, column] < 0) == here:
                total += abs(np.int64(terminals[row, column]))
            for d in range(0, len(network.steps), 2):
                q = p + network.steps[u(d)]
                if here != (
                    network.state[q] > 0
                ):  # both directions hold twice the weight; nothing leads to the padding
                    total += (np.int64(network.capacity[p, d]) + network.capacity[q, d + 1]) // 2
    return total


@in_place
def settle_pairs(network: Network, height: int, width: int) -> None:
    """Let flow what can between neighbours, before any search: it makes no orphans."""
    rest, steps = network.rest, network.steps
    for row in range(height):
        for column in range(width):
            p = u((row + 1) * (width + 1) + column + 1)
            for d in range(0, len(steps), 2):
                if rest[p] == 0:
                    break
                q = p + steps[u(d)]
                if rest[p] > 0 > rest[q]:
                    _settle(network, p, q, u(d))
                elif rest[p] < 0 < rest[q]:
                    _settle(network, q, p, u(d + 1))


@step
def _settle(network: Network, p: np.uint64, q: np.uint64, d: np.uint64) -> None:
    flow = min(network.capacity[p, d], network.rest[p], -network.rest[q])
    if flow > 0:
        network.rest[p] -= flow
        network.rest[q] += flow
        push(network, p, q, d, flow)


@step
def push(network: Network, p: np.uint64, q: np.uint64, d: np.uint64, flow: int) -> bool:
    """Let more flow from p to q along d; true if nothing more can."""
    capacity, back = network.capacity, d ^ ONE
    if capacity[q, back] == 0:
        network.leaving[q] |= np.uint8(ONE << back)
        network.entering[p] |= np.uint8(ONE << d)
    capacity[q, back] += flow
    left = capacity[p, d] - flow
    capacity[p, d] = left
    if left == 0:
        network.leaving[p] &= ~np.uint8(ONE << d)
        network.entering[q] &= ~np.uint8(ONE << back)
    return left == 0


@step
def enlist(network: Network, side: int, later: bool, p: np.uint64) -> None:
    """Grow from p, now or on the next level. A pixel is in each list at most once, so that none can overflow."""
    half = network.now[side] ^ later
    bit = np.uint8(1 << (2 * side + half))
    if not network.listed[p] & bit:
        network.listed[p] |= bit
        network.lists[side, half, network.counts[side, half]] = p
        network.counts[side, half] += 1


def _count_zeros(_typing: Any, _mask: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), generate


lowest: Any = intrinsic(_count_zeros)
"""The place of the lowest bit that is set."""
