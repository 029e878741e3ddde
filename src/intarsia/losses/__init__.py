"""Training losses."""

from intarsia.losses.adaptive_affinity_field import AdaptiveAffinityField
from intarsia.losses.border import border_weighted_cross_entropy, border_weights
from intarsia.losses.cross_entropy import cross_entropy
from intarsia.losses.depth import berhu_depth, l1_depth, l2_depth, scale_invariant_log_depth
from intarsia.losses.objective import Objective
from intarsia.losses.ohem import ohem_cross_entropy

__all__ = [
    "AdaptiveAffinityField",
    "Objective",
    "berhu_depth",
    "border_weighted_cross_entropy",
    "border_weights",
    "cross_entropy",
    "l1_depth",
    "l2_depth",
    "ohem_cross_entropy",
    "scale_invariant_log_depth",
]
