"""Minimum cuts of any graph: superpixels, meshes, volumes."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array, csr_array

from intarsia.errors import ArgumentError
from intarsia.kernels.max_flow.sparse import saturate

_UNITS = 1 << 16  # of a capacity of 1; everything behind the rounding is exact
_LARGEST = 1 << 44  # of all capacities and terminals together: sums have to fit into 64 bits


class SparseCut:
    """The minimum cut of a directed graph with signed terminals, solved again cheaply when terminals change.

    It minimises E(x) = Σ_v max(t_v, 0)·[not x_v] + Σ_v max(-t_v, 0)·[x_v] + Σ_vw c_vw·[x_v and not x_w] over all
    boolean labelings x of the nodes; as ``GridCut`` does on pixels, with the same rounding to multiples of 2^-16 and
    the same choice between equal cuts: the fewest nodes on the source's side. ``foreground`` holds that side, ``flow``
    the maximum flow, which is E of the cut.

    Args:
        capacities: Any scipy sparse matrix or array, (N, N): what can flow from row to column. Its diagonal is ignored.

    Raises:
        ArgumentError: If it is not square, or a capacity is negative, not finite, or beyond 2^44 with all others.

    References:
        Dinitz: Algorithm for solution of a problem of maximum flow in a network with power estimation, 1970.

    >>> chain = coo_array(([2.0, 1.0, 3.0], ([0, 1, 2], [1, 2, 3])), shape=(4, 4))
    >>> cut = SparseCut(chain).solve(np.array([5.0, 0.0, 0.0, -5.0]))
    >>> cut.flow, cut.foreground.tolist()
    (1.0, [True, True, False, False])
    """

    foreground: Bool[np.ndarray, "N"]
    flow: float

    def __init__(self, capacities: Any) -> None:
        given, shape = coo_array(capacities), capacities.shape
        if shape[0] != shape[1]:
            raise ArgumentError(f"`capacities` (of shape {shape}) must be square; pass one row for each node.")
        values = given.data.astype(np.float64)
        if not (values >= 0).all() or values.sum() > _LARGEST:
            raise ArgumentError(
                f"`capacities` (from {values.min()} to {values.max()}) must be finite, not negative, and sum to at most"
                " 2^44; divide capacities and terminals by one number, which changes no cut."
            )
        rows, columns = given.coords
        units = np.rint(values * _UNITS).astype(np.int64)
        both = (np.concatenate([rows, columns]), np.concatenate([columns, rows]))
        arcs = csr_array((np.concatenate([units, np.zeros_like(units)]), both), shape)
        arcs.sum_duplicates()  # which sorts, too
        numbers = csr_array((np.arange(arcs.nnz), arcs.indices, arcs.indptr), shape)
        self._first, self._head = arcs.indptr.astype(np.int64), arcs.indices.astype(np.int64)
        self._capacity, self._back = arcs.data, numbers.T.tocsr().data.astype(np.int64)
        self._terminals = np.zeros(shape[0], np.int64)
        self._rest = np.zeros_like(self._terminals)

    def solve(self, terminals: Float[np.ndarray, "N"]) -> "SparseCut":
        """Cut for these terminals, and return itself. What flowed for the terminals before is kept.

        Raises:
            ArgumentError: If there is not one terminal a node, or they are NaN or sum to more than 2^44.
        """
        if terminals.shape != self._terminals.shape or not np.abs(terminals).sum(dtype=np.float64) <= _LARGEST:
            raise ArgumentError(
                f"`terminals` (of shape {terminals.shape}) must be one for each of the {len(self._terminals)} nodes, no"
                " NaN, and sum to at most 2^44; give a known node more than all of its capacities, not infinity."
            )
        units = np.rint(terminals * float(_UNITS)).astype(np.int64)
        self._rest += units - self._terminals
        self._terminals = units
        level = saturate(self._first, self._head, self._back, self._capacity, self._rest)
        self.foreground = level >= 0
        self.flow = int(np.maximum(units, 0).sum() - np.maximum(self._rest, 0).sum()) / _UNITS
        return self
