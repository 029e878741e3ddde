"""Labelings that minimise an energy: arrays in, arrays out, no network."""

from intarsia.energies.alpha_expansion import Expansion, alpha_expansion
from intarsia.energies.crf_kernels import FeatureKernel
from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.dense_crf import DenseCRF, dense_crf
from intarsia.energies.grabcut import GrabCut, grabcut
from intarsia.energies.grabcut_session import GrabCutSession, SessionResult
from intarsia.energies.graph_cut import GraphCut, graph_cut
from intarsia.energies.matte import matte
from intarsia.energies.max_flow import GridCut
from intarsia.energies.mixtures import GaussianMixture, Mixtures
from intarsia.energies.sparse_cut import SparseCut
from intarsia.energies.trimap import trimap_of_mask

__all__ = [
    "CRFSettings",
    "DenseCRF",
    "Expansion",
    "FeatureKernel",
    "GaussianMixture",
    "GrabCut",
    "GrabCutSession",
    "GraphCut",
    "GridCut",
    "Mixtures",
    "SessionResult",
    "SparseCut",
    "alpha_expansion",
    "dense_crf",
    "grabcut",
    "graph_cut",
    "matte",
    "trimap_of_mask",
]
