"""Two forests on a grid: flow along a path from root to root, and new parents for what it cuts off.

Goldberg, Hed, Kaplan, Tarjan, Werneck: Maximum flows by incremental breadth-first search (ESA 2011). A child's label
is one more than its parent's, and by levels no orphan takes a label below the one it had; hence orphans are looked
after by ascending label: all smaller labels are then firm. An orphan's own children are among its candidates. They are
orphans by then, with a larger label, and to leave them out would end the search too early.
"""

import numpy as np

from intarsia.kernels.compiled import in_place, step
from intarsia.kernels.max_flow.grid import ONE, ORPHAN, PARENT, ROOT, SINK, SOURCE, Network, enlist, lowest, push, u

_FAR = 1 << 30  # no label


@in_place
def augment(network: Network, a: np.uint64, b: np.uint64, d: np.uint64) -> None:
    """Saturate the path from a's root in the source's forest over the arc from a to b to b's root in the sink's."""
    rest = network.rest
    flow = np.int64(network.capacity[a, d])
    for side, start in ((SOURCE, a), (SINK, b)):
        flow, root = _narrowest(network, side, start, flow)
        flow = min(flow, abs(np.int64(rest[root])))
    push(network, a, b, d, np.int32(flow))
    for side, start in ((SOURCE, a), (SINK, b)):
        _drain(network, side, start, np.int32(flow))


@step
def raise_limit(network: Network, side: int, limit: int) -> bool:
    """Where levels are not kept, a firm label allows the next one; false where the labels are used up."""
    end = len(network.orphans) - 2
    network.limit[side] = max(network.limit[side], min(limit, end))
    return limit < end


@step
def _narrowest(network: Network, side: int, p: np.uint64, flow: int) -> tuple[int, np.uint64]:
    """How much of ``flow`` fits through all arcs between p and its root, and the root."""
    while True:
        d = u(network.state[p] & PARENT)
        if d == u(ROOT):
            return flow, p
        q = p + network.steps[d]
        flow = min(flow, network.capacity[q, d ^ ONE] if side == SOURCE else network.capacity[p, d])
        p = q


@step
def _drain(network: Network, side: int, p: np.uint64, flow: np.int32) -> None:
    """Take ``flow`` through p from its root, and look after all that lose their parent."""
    state, sign = network.state, 1 - 2 * side
    low, high = np.int64(0), np.int64(0)
    while True:
        d, q = u(state[p] & PARENT), p
        label = sign * np.int64(state[p] >> 4)
        if d == u(ROOT):
            network.rest[p] -= sign * flow
            cut = network.rest[p] == 0
        else:
            q = p + network.steps[d]
            cut = push(network, q, p, d ^ ONE, flow) if side == SOURCE else push(network, p, q, d, flow)
        if cut:
            abandon(network, p, sign * label, label)
            low, high = label, max(high, label)
        if d == u(ROOT):
            break
        p = q
    if low > 0:
        adopt(network, side, low, high)


@step
def abandon(network: Network, p: np.uint64, signed: int, label: int) -> None:
    """Make p an orphan with this label."""
    network.state[p] = np.int32(signed << 4 | ORPHAN)
    network.link[p] = network.orphans[u(label)]
    network.orphans[u(label)] = np.int32(p)


@step
def abandon_children(network: Network, side: int, p: np.uint64, label: int) -> bool:
    """Make orphans of all whose parent is p, which has this label; whether there are any."""
    sign = 1 - 2 * side
    arcs = u(network.leaving[p]) if side == SOURCE else u(network.entering[p])
    found = False
    while arcs:
        d = lowest(arcs)
        arcs &= arcs - ONE
        q = p + network.steps[d]
        if network.state[q] == np.int32(sign * (label + 1) << 4 | np.int64(d ^ ONE)):
            abandon(network, q, sign * (label + 1), label + 1)
            found = True
    return found


@in_place
def adopt(network: Network, side: int, label: int, high: int) -> None:
    """Look after all orphans of a side, whose labels lie from ``label`` to ``high``."""
    while label <= high:
        while network.orphans[u(label)]:
            p = u(network.orphans[u(label)])
            network.orphans[u(label)] = network.link[p]
            network.toil[side] += 1
            high = max(high, _place(network, side, p, label))
        label += 1


@step
def _place(network: Network, side: int, p: np.uint64, label: int) -> int:
    """A parent on the level above, if there is one; else a larger label, or freedom. Returns the largest new label."""
    state, sign = network.state, 1 - 2 * side
    above = np.int64(sign * (label - 1)) if label > 1 else np.int64(_FAR)  # label 0 is no level
    arcs = u(network.entering[p]) if side == SOURCE else u(network.leaving[p])
    least, parent = np.int64(_FAR), ONE
    while arcs:
        d = lowest(arcs)
        arcs &= arcs - ONE
        found = np.int64(state[p + network.steps[d]] >> 4)
        if found == above:
            state[p] = np.int32(sign * label << 4 | np.int64(d))
            if network.level[side] == 0:
                raise_limit(network, side, label + 1)
            return 0
        found *= sign
        if 0 < found < least:
            least, parent = found, d
    if sign * network.rest[p] > 0:  # a change of terminals gave it some of its own
        state[p] = np.int32(sign * label << 4 | ROOT)
        return 0
    high = label + 1 if abandon_children(network, side, p, label) else 0
    return max(high, _relabel(network, side, p, label, least + 1, parent))


@step
def _relabel(network: Network, side: int, p: np.uint64, old: int, label: int, parent: np.uint64) -> int:
    """Give p the label that its nearest neighbour allows, and return it; 0 if it needs no more care."""
    sign = 1 - 2 * side
    if label > network.limit[side]:
        network.state[p] = 0
        if network.level[side] == 0:
            _offer(network, 1 - side, p)
        return 0
    if label >= network.level[side]:
        enlist(network, side, label > network.level[side], p)
    if label < old:  # only where levels are not kept: the neighbour is firm
        network.state[p] = np.int32(sign * label << 4 | np.int64(parent))
        return 0
    abandon(network, p, sign * label, label)
    return label


@step
def _offer(network: Network, side: int, p: np.uint64) -> None:
    """Let the neighbours of a freed pixel grow again that this side's forest could take it from.

    By levels they have yet to grow. A pixel that a changed terminal put into the other forest was taken from their own.
    """
    arcs = u(network.entering[p]) if side == SOURCE else u(network.leaving[p])
    while arcs:
        q = p + network.steps[lowest(arcs)]
        arcs &= arcs - ONE
        if (1 - 2 * side) * network.state[q] > 0:
            enlist(network, side, True, q)
