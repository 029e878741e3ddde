"""Maximum flow on any graph, by blocking flows along shortest paths (Dinitz, 1970).

Arcs lie node by node, ``first[v]`` to ``first[v + 1]``, and ``back`` names the arc that leads the other way, which
always exists. Terminals are one signed number a node, as on grids.
"""

import numpy as np
from jaxtyping import Int64

from intarsia.kernels.compiled import compiled, in_place

Arcs = Int64[np.ndarray, "A"]
Nodes = Int64[np.ndarray, "N"]


@compiled
def saturate(first: Int64[np.ndarray, "N+1"], head: Arcs, back: Arcs, capacity: Arcs, rest: Nodes) -> Nodes:
    """Let flow all that can; the distance of each node from the nearest one with something left, or -1 out of reach."""
    level, queue, arc = np.empty_like(rest), np.empty_like(rest), np.empty_like(rest)
    path = np.empty_like(rest)
    while measure(first, head, capacity, rest, level, queue):
        arc[:] = first[:-1]
        for v in range(len(rest)):
            if rest[v] > 0:
                block(v, first, head, back, capacity, rest, level, arc, path)
    return level


@in_place
def measure(
    first: Int64[np.ndarray, "N+1"], head: Arcs, capacity: Arcs, rest: Nodes, level: Nodes, queue: Nodes
) -> bool:
    """Distances through arcs with something left; whether the sink is in reach."""
    count, met = 0, False
    for v in range(len(rest)):
        level[v] = 0 if rest[v] > 0 else -1
        if rest[v] > 0:
            queue[count] = v
            count += 1
    done = 0
    while done < count:
        v = queue[done]
        done += 1
        if rest[v] < 0:
            met = True
        for a in range(first[v], first[v + 1]):
            if capacity[a] > 0 and level[head[a]] < 0:
                level[head[a]] = level[v] + 1
                queue[count] = head[a]
                count += 1
    return met


@in_place
def block(
    start: int,
    first: Int64[np.ndarray, "N+1"],
    head: Arcs,
    back: Arcs,
    capacity: Arcs,
    rest: Nodes,
    level: Nodes,
    arc: Nodes,
    path: Nodes,
) -> None:
    """Send what ``start`` has along arcs that lead one level on, until none of their paths is open."""
    v, depth = start, 0
    while rest[start] > 0:
        if rest[v] < 0:
            flow = min(rest[start], -rest[v])
            for i in range(depth):
                flow = min(flow, capacity[path[i]])
            for i in range(depth):
                capacity[path[i]] -= flow
                capacity[back[path[i]]] += flow
            rest[start] -= flow
            rest[v] += flow
            v, depth = start, 0
        a = arc[v]
        if a == first[v + 1]:  # nothing leads on from here
            if depth == 0:
                return
            depth -= 1
            v = head[back[path[depth]]]
            arc[v] += 1
        elif capacity[a] > 0 and level[head[a]] == level[v] + 1:
            path[depth] = a
            depth += 1
            v = head[a]
        else:
            arc[v] += 1
