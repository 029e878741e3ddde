"""Labelings that minimise an energy: arrays in, arrays out, no network."""

from intarsia.energies.alpha_expansion import Expansion, alpha_expansion
from intarsia.energies.grabcut import GrabCut, grabcut
from intarsia.energies.grabcut_session import GrabCutSession, SessionResult
from intarsia.energies.graph_cut import GraphCut, graph_cut
from intarsia.energies.matte import matte
from intarsia.energies.max_flow import GridCut
from intarsia.energies.mixtures import GaussianMixture, Mixtures
from intarsia.energies.sparse_cut import SparseCut
from intarsia.energies.trimap import trimap_of_mask

__all__ = [
    "Expansion",
    "GaussianMixture",
    "GrabCut",
    "GrabCutSession",
    "GraphCut",
    "GridCut",
    "Mixtures",
    "SessionResult",
    "SparseCut",
    "alpha_expansion",
    "grabcut",
    "graph_cut",
    "matte",
    "trimap_of_mask",
]
