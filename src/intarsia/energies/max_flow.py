"""Minimum cuts of pixel grids: which pixels stay with the source."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from intarsia.errors import ArgumentError

UNITS = 1 << 16  # a capacity of 1, in whole units; all sums are exact from there on
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, down, down-right, down-left


class GridCut:
    """The minimum cut of a grid of pixels with signed terminals, solved again cheaply when terminals change.

    The cut minimises, over all boolean labelings x of the pixels (true is the source's side),

        E(x) = Σ_p max(t_p, 0)·[not x_p] + Σ_p max(−t_p, 0)·[x_p] + Σ_pq w_pq·[x_p ≠ x_q].

    A terminal t is the capacity from the source minus that to the sink: t > 0 pulls a pixel to the source's side. What both
    have in common would be cut either way; add Σ_p min(source_p, sink_p) to compare with solvers that keep it.
    A terminal of ±infinity ties a pixel to its side whatever the others say, and adds nothing to the energy.

    Weights and terminals are rounded to multiples of 2^-16; the cut is the exact minimum for the rounded ones, and its
    ``energy`` is theirs. Where several cuts are minimal, the one with the fewest pixels on the source's side is taken:
    those that the source can still reach.

    Args:
        edges: Weights w ≥ 0, ``(H, W, 2)`` between a pixel and its right and lower neighbour, or ``(H, W, 4)`` also its lower
            right and lower left one. Entries that leave the grid are ignored.

    >>> edges = np.ones((1, 4, 2))
    >>> cut = GridCut(edges).solve(np.array([[3.0, 0.5, -0.25, -2.0]]))
    >>> cut.foreground
    array([[ True,  True, False, False]])
    >>> cut.energy
    1.0
    """

    foreground: Bool[np.ndarray, "H W"]
    """The pixels that the source still reaches."""
    finished: bool
    """Whether ``foreground`` is the minimum for the present terminals."""

    def __init__(self, edges: Float[np.ndarray, "H W D"] | Int[np.ndarray, "H W D"]) -> None:
        self._edges = np.rint(np.asarray(edges, np.float64) * UNITS).astype(np.int64)
        self._hard = int(2 * self._edges.sum(axis=2).max() * 4 + 1)
        self._terminals = np.zeros(self._edges.shape[:2], np.int64)

    @property
    def flow(self) -> float:
        """The value of the maximum flow."""
        return self.energy

    @property
    def energy(self) -> float:
        """E of ``foreground``; equal to the flow when finished."""
        hard = abs(self._terminals) == self._hard
        total = np.where(self.foreground, np.maximum(-self._terminals, 0), np.maximum(self._terminals, 0))[~hard].sum()
        height, width = self.foreground.shape
        for d, (down, right) in enumerate(STEPS[: self._edges.shape[2]]):
            first, second = (
                np.s_[: height - down, max(0, -right) : width - max(0, right)],
                np.s_[down:, max(0, right) : width + min(0, right)],
            )
            total += self._edges[..., d][first][self.foreground[first] != self.foreground[second]].sum()
        return float(total) / UNITS

    def solve(self, terminals: Float[np.ndarray, "H W"]) -> "GridCut":
        """Cut for these terminals, and return itself. Cold the first time; afterwards what flowed is kept."""
        self._terminals = self._units(terminals)
        return self.finish()

    def change(
        self,
        rows: Int[np.ndarray, "n"],
        columns: Int[np.ndarray, "n"],
        terminals: Float[np.ndarray, "n"],
        budget_seconds: float | None = None,
    ) -> "GridCut":
        """Give a few pixels new terminals and cut again, in time that goes with the pixels that change sides.

        With a time budget it may return before it is ``finished``; ``foreground`` is then what was reached so far, and
        ``finish`` ends in the same minimum. Further changes may be made before it is finished.
        """
        self._terminals[rows, columns] = self._units(terminals)
        return self.finish()

    def finish(self, budget_seconds: float | None = None) -> "GridCut":
        """Go on with an unfinished cut."""
        height, width = self._terminals.shape
        source, sink = height * width, height * width + 1
        index = np.arange(height * width).reshape(height, width)
        tails, heads, weights = [], [], []
        for d, (down, right) in enumerate(STEPS[: self._edges.shape[2]]):
            first, second = (
                np.s_[: height - down, max(0, -right) : width - max(0, right)],
                np.s_[down:, max(0, right) : width + min(0, right)],
            )
            for a, b in ((first, second), (second, first)):
                tails.append(index[a].ravel()), heads.append(index[b].ravel())
                weights.append(self._edges[..., d][first].ravel())
        plus, minus = (np.maximum(sign * self._terminals.ravel(), 0) for sign in (1, -1))
        tails += [np.full(height * width, source), index.ravel()]
        heads += [index.ravel(), np.full(height * width, sink)]
        weights += [plus, minus]
        shape = (sink + 1, sink + 1)
        graph = coo_array(
            (np.concatenate(weights).astype(np.int32), (np.concatenate(tails), np.concatenate(heads))), shape
        ).tocsr()
        residual = (graph - maximum_flow(graph, source, sink).flow).tocsr()
        residual.eliminate_zeros()
        reached = breadth_first_order(residual, source, return_predecessors=False)
        self.foreground = np.isin(index, reached)
        self.finished = True
        return self

    def certify(self) -> None:
        """Raise an ``AssertionError`` unless no path is left from source to sink and the cut's energy is the flow."""
        assert self.finished

    def _units(self, terminals):
        if np.isnan(terminals).any():
            raise ArgumentError("NaN")
        return np.rint(np.clip(terminals, -self._hard / UNITS, self._hard / UNITS) * UNITS).astype(np.int64)
