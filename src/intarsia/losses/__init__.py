"""Training losses."""

from intarsia.losses.adaptive_affinity_field import AdaptiveAffinityField
from intarsia.losses.border import border_weighted_cross_entropy, border_weights
from intarsia.losses.cross_entropy import cross_entropy
from intarsia.losses.objective import Objective
from intarsia.losses.ohem import ohem_cross_entropy

__all__ = [
    "AdaptiveAffinityField",
    "Objective",
    "border_weighted_cross_entropy",
    "border_weights",
    "cross_entropy",
    "ohem_cross_entropy",
]
