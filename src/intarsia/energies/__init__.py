"""Labelings that minimise an energy: arrays in, arrays out, no network."""

from intarsia.energies.alpha_expansion import Expansion, alpha_expansion
from intarsia.energies.graph_cut import GraphCut, graph_cut
from intarsia.energies.max_flow import GridCut
from intarsia.energies.sparse_cut import SparseCut

__all__ = ["Expansion", "GraphCut", "GridCut", "SparseCut", "alpha_expansion", "graph_cut"]
