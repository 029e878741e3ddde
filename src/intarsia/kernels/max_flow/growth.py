"""Two forests on a grid grow until they are parted: then the flow is maximal.

A search by levels starts anew: every pixel with something left of its terminal is a root, and always one forest grows
by one whole level, so that all paths found are shortest ones. The paper lets the lower forest grow; here it is the one
that has had fewer orphans to look after, for they take nine tenths of the time. On photographs this is as fast; where
one side has many weak terminals, as in noise, it is three to four times as fast.

A search without levels goes on from forests that are there, after a few terminals have changed (Kohli and Torr,
ICCV 2005).
"""

import numpy as np
from jaxtyping import Int32, Int64

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.max_flow.grid import ONE, PARENT, ROOT, SINK, SOURCE, Network, enlist, lowest, u
from intarsia.kernels.max_flow.trees import abandon, abandon_children, adopt, augment, raise_limit


@in_place
def plant(network: Network) -> None:
    """Forests of roots alone."""
    network.counts[:], network.done[:], network.now[:], network.toil[:] = 0, 0, 0, 0
    network.level[:], network.limit[:], network.turn[0] = 1, 1, -1
    for p in range(len(network.rest)):
        network.listed[p] = network.state[p] = 0
        if network.rest[p] != 0:
            _root(network, np.int64(network.rest[p] < 0), u(p))


@step
def _root(network: Network, side: int, p: np.uint64) -> None:
    network.state[p] = np.int32((1 - 2 * side) << 4 | ROOT)
    enlist(network, side, network.level[side] == 0, p)


@in_place
def search(network: Network, effort: int) -> bool:
    """Grow both forests; whether it is finished, or was left after ``effort`` steps to go on from there.

    Finished means that no path is left and that the source's forest holds all that the source still reaches.
    """
    while True:
        if network.turn[0] < 0:
            here, there = network.counts[SOURCE].sum(), network.counts[SINK].sum()
            if here == 0 and (there == 0 or network.level[SINK] > 0):
                return True
            leading = network.toil[SOURCE] <= network.toil[SINK]
            side = SOURCE if there == 0 or (here > 0 and leading) else SINK
            network.turn[0] = side
            if network.level[side] > 0:
                network.limit[side] = network.level[side] + 1
        effort = _grow(network, network.turn[0], effort)
        if effort <= 0:
            return False


@step
def _grow(network: Network, side: int, effort: int) -> int:
    """Grow from the list for now, and if there is effort left at its end turn to the next; returns what is left."""
    half = network.now[side]
    while network.done[side] < network.counts[side, half]:
        if effort <= 0:
            return effort
        p = u(network.lists[side, half, network.done[side]])
        network.done[side] += 1
        network.listed[p] &= ~np.uint8(1 << (2 * side + half))
        before = network.toil[SOURCE] + network.toil[SINK]
        _grow_from(network, side, p)
        effort -= 1 + network.toil[SOURCE] + network.toil[SINK] - before
    network.counts[side, half] = network.done[side] = 0
    network.now[side] = 1 - half
    network.turn[0] = -1
    if network.level[side] > 0:
        network.level[side] += 1
    return effort


@step
def _grow_from(network: Network, side: int, p: np.uint64) -> None:
    """Take free neighbours as children, and let flow what can where the other forest is met."""
    state, sign = network.state, 1 - 2 * side
    label = np.int64(state[p] >> 4)
    if sign * label <= 0 or (network.level[side] > 0 and sign * label != network.level[side]):
        return  # it has left this forest, or this level, since it was listed
    arcs = u(network.leaving[p]) if side == SOURCE else u(network.entering[p])
    while arcs:
        d = lowest(arcs)
        q = p + network.steps[d]
        if sign * state[q] > 0:
            arcs &= arcs - ONE
        elif state[q] == 0:
            arcs &= arcs - ONE
            if network.level[side] == 0 and not raise_limit(network, side, sign * label + 2):
                return
            state[q] = np.int32((label + sign) << 4 | np.int64(d ^ ONE))
            enlist(network, side, True, q)
        else:
            first, second, along = (p, q, d) if side == SOURCE else (q, p, d ^ ONE)
            augment(network, first, second, along)
            if state[p] >> 4 != label:
                return  # relabelled, and listed again if it has to be
            arcs &= u(network.leaving[p]) if side == SOURCE else u(network.entering[p])


@in_place
def keep_forests(network: Network) -> None:
    """From now on without levels: all pixels that are listed grow, whatever their label."""
    for side in range(2):
        if network.level[side] > 0:
            network.level[side] = 0
            raise_limit(network, side, network.limit[side] + 1)


@in_place
def retie(network: Network, places: Int64[np.ndarray, "n"], changes: Int32[np.ndarray, "n"]) -> None:
    """Add to the terminals of some pixels, and mend the forests there."""
    for i in range(len(places)):
        p = u(places[i])
        network.rest[p] += changes[i]
        if network.rest[p] != 0:
            _take(network, np.int64(network.rest[p] < 0), p)
        elif network.state[p] != 0:
            _let_go(network, np.int64(network.state[p] < 0), p)


@step
def _take(network: Network, side: int, p: np.uint64) -> None:
    """Make p a root unless it is in this forest already; as a member it may become one when it loses its parent."""
    sign = 1 - 2 * side
    if sign * network.state[p] > 0:
        return
    label = -sign * np.int64(network.state[p] >> 4)
    _root(network, side, p)
    if label > 0 and abandon_children(network, 1 - side, p, label):
        adopt(network, 1 - side, label + 1, label + 1)


@step
def _let_go(network: Network, side: int, p: np.uint64) -> None:
    """A root whose terminal is used up looks for a parent."""
    sign = 1 - 2 * side
    if network.state[p] & PARENT == ROOT:
        label = sign * np.int64(network.state[p] >> 4)
        abandon(network, p, sign * label, label)
        adopt(network, side, label, label)
