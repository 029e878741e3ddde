"""Minimum cuts of pixel grids: which pixels stay with the source."""

import time

import numpy as np
from jaxtyping import Bool, Float, Int

from intarsia.errors import ArgumentError
from intarsia.kernels.max_flow.grid import NEIGHBOURS, UNITS, empty_network, energy_of, fill, inner, settle_pairs, tie
from intarsia.kernels.max_flow.growth import keep_forests, plant, retie, search

_LARGEST = ((1 << 30) - 1) // UNITS  # sums at a pixel, and twice a weight, have to fit into 32 bits
_PIXELS = 1 << 26  # labels have 27 bits
_ALL = 1 << 60
_SLICE = 1 << 16  # steps between two looks at the clock: about three milliseconds


class GridCut:
    """The minimum cut of a grid of pixels with signed terminals, solved again cheaply when terminals change.

    It minimises, over all boolean labelings x of the pixels (true is the source's side),

        E(x) = Σ_p max(t_p, 0)·[not x_p] + Σ_p max(-t_p, 0)·[x_p] + Σ_pq w_pq·[x_p ≠ x_q].

    A terminal t is the capacity from the source minus that to the sink: t > 0 pulls a pixel to the source's side. What
    both have in common would be cut either way; add Σ_p min(source_p, sink_p) to compare with solvers that keep it.
    A terminal of ±infinity ties a pixel to its side whatever the others say, and adds nothing to the energy.

    Weights and terminals are rounded to multiples of 2^-16. The cut is the exact minimum for the rounded ones, and
    ``energy`` is theirs, so that the energy of the cut with the weights as given lies above the minimum by at most
    2^-16 for each weight and terminal. Where several cuts are minimal it is always the one with the fewest pixels on
    the source's side: those that the source can still reach.

    The solver is incremental breadth-first search, single-threaded, without the interpreter's lock. One object serves
    one thread at a time.

    Args:
        edges: Weights w ≥ 0, ``(H, W, 2)`` between a pixel and its right and lower neighbour, or ``(H, W, 4)`` also
            its lower right and lower left one. Entries that leave the grid are ignored.

    Raises:
        ArgumentError: If the shape is another, a weight is negative, not finite, or so large that the weights at a
            pixel may sum to 16,384.

    References:
        Goldberg, Hed, Kaplan, Tarjan, Werneck: Maximum flows by incremental breadth-first search, ESA 2011.

    >>> cut = GridCut(np.ones((1, 4, 2))).solve(np.array([[3.0, 0.5, -0.25, -2.0]]))
    >>> cut.foreground
    array([[ True,  True, False, False]])
    >>> cut.energy
    1.0
    """

    finished: bool
    """Whether ``foreground`` is the minimum for the present terminals."""

    def __init__(self, edges: Float[np.ndarray, "H W D"] | Int[np.ndarray, "H W D"]) -> None:
        if edges.ndim != 3 or edges.shape[2] not in (2, 4) or 0 in edges.shape or edges[..., 0].size > _PIXELS:
            raise ArgumentError(
                f"`edges` (of shape {edges.shape}) must be (H, W, 2) or (H, W, 4), of 1 to 2^26 pixels; pass weights"
                " to the right and lower neighbours, and to the lower right and lower left ones if they count."
            )
        height, width, kinds = edges.shape
        self._network = empty_network(height, width, 2 * kinds)
        floats = edges if edges.dtype in (np.float32, np.float64) else edges.astype(np.float64)
        valid, most = fill(self._network, np.ascontiguousarray(floats), float(_LARGEST))
        if not valid or most > _LARGEST * UNITS:
            raise ArgumentError(
                f"`edges` (from {np.min(edges)} to {np.max(edges)}) must be finite, not negative, and at no pixel sum "
                f"to more than {_LARGEST}; divide edges and terminals by one number, which changes no cut."
            )
        self._hard = int(most) + UNITS  # more than all edges of a pixel: never cut
        self._terminals = np.zeros((height, width), np.int32)
        self.finished = False

    @property
    def foreground(self) -> Bool[np.ndarray, "H W"]:
        """The pixels that the source still reaches; while unfinished, those that it has reached so far."""
        return inner(self._network.state, *self._terminals.shape) > 0

    @property
    def energy(self) -> float:
        """E of ``foreground``; equal to ``flow`` when finished."""
        return int(energy_of(self._network, self._terminals)) / UNITS

    @property
    def flow(self) -> float:
        """How much flows from the source to the sink."""
        given, left = (np.maximum(units, 0).sum(dtype=np.int64) for units in (self._terminals, self._network.rest))
        return int(given - left) / UNITS

    def solve(self, terminals: Float[np.ndarray, "H W"], budget_seconds: float | None = None) -> "GridCut":
        """Cut for these terminals, and return itself.

        What flowed for the terminals before is kept, so that a second cut takes a quarter to a half of the first one's
        time. The cut does not depend on it.

        Raises:
            ArgumentError: If the shape is not that of the grid, or a terminal is NaN.
        """
        if terminals.shape != self._terminals.shape:
            raise ArgumentError(
                f"`terminals` (of shape {terminals.shape}) must have the grid's shape {self._terminals.shape}; "
                "pass one for each pixel."
            )
        floats = terminals if terminals.dtype in (np.float32, np.float64) else terminals.astype(np.float64)
        if not tie(self._network, np.ascontiguousarray(floats), self._terminals, self._hard):
            raise ArgumentError(_NO_NUMBER)
        settle_pairs(self._network, *self._terminals.shape)
        plant(self._network)
        return self.finish(budget_seconds)

    def change(
        self,
        rows: Int[np.ndarray, " n"],
        columns: Int[np.ndarray, " n"],
        terminals: Float[np.ndarray, " n"],
        budget_seconds: float | None = None,
    ) -> "GridCut":
        """Give a few pixels new terminals and cut again, in time that goes with the pixels that change sides.

        With a time budget it may return before it is ``finished``; ``foreground`` is then what was reached so far, and
        ``finish`` ends in the same minimum. Further changes may be made before it is finished.

        Raises:
            ArgumentError: If a pixel lies outside the grid, is named twice, or its terminal is NaN.
        """
        height, width = self._terminals.shape
        places = (np.asarray(rows, np.int64) + 1) * (width + 1) + columns + 1
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        if not inside.all() or len(np.unique(places)) < len(places):
            raise ArgumentError(
                f"`rows` and `columns` must each name a pixel of the grid ({height}, {width}) and none twice; "
                "leave out those outside."
            )
        if np.isnan(terminals).any():
            raise ArgumentError(_NO_NUMBER)
        units = np.rint(np.clip(terminals * float(UNITS), -self._hard, self._hard)).astype(np.int32)
        changes = units - self._terminals[rows, columns]
        self._terminals[rows, columns] = units
        keep_forests(self._network)
        retie(self._network, places, changes)
        return self.finish(budget_seconds)

    def finish(self, budget_seconds: float | None = None) -> "GridCut":
        """Go on with an unfinished cut, to its end or for about ``budget_seconds``."""
        network = self._network
        ends = time.perf_counter() + (budget_seconds or 0)
        self.finished = False
        while not self.finished and (budget_seconds is None or time.perf_counter() < ends):
            self.finished = bool(search(network, _ALL if budget_seconds is None else _SLICE))
            if network.limit.max() >= len(network.orphans) - 2:  # labels have run out: the flow stays, the forests go
                plant(network)
                self.finished = False
        return self

    def certify(self) -> None:
        """Prove that the cut is minimal, by the residual graph alone: for tests, as it takes many passes."""
        height, width = self._terminals.shape
        residual = inner(self._network.capacity, height, width).astype(np.int64)
        assert self.finished
        assert (residual >= 0).all()
        rest = inner(self._network.rest, height, width)
        reached, outflow = rest > 0, np.zeros((height, width), np.int64)
        before = -1
        while before != (before := np.count_nonzero(reached)):
            for d in range(residual.shape[2]):
                here, there = _pairs(height, width, d)
                reached[there] |= reached[here] & (residual[..., d][here] > 0)
        for d in range(residual.shape[2]):
            here, there = _pairs(height, width, d)
            outflow[here] += residual[..., d ^ 1][there] - residual[..., d][here]
        assert (2 * rest.astype(np.int64) + outflow == 2 * self._terminals.astype(np.int64)).all(), "flow is lost"
        assert not (reached & (rest < 0)).any(), "a path is left"
        assert (reached == self.foreground).all(), "the cut is not what the source reaches"
        assert self.energy == self.flow


_NO_NUMBER = "`terminals` hold NaN, which pulls to no side; pass 0 where nothing is known."


def _pairs(height: int, width: int, d: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """All pixels that have a neighbour along direction d, and these neighbours."""
    down, right = (step * (1 - 2 * (d & 1)) for step in NEIGHBOURS[d // 2])

    def part(size: int, step: int) -> tuple[slice, slice]:
        near, far = slice(0, max(0, size - abs(step))), slice(abs(step), None)
        return (near, far) if step >= 0 else (far, near)

    (rows, next_rows), (columns, next_columns) = part(height, down), part(width, right)
    return (rows, columns), (next_rows, next_columns)
