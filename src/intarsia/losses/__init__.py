"""Training losses: functions of logits (B, K, H, W) and targets (B, H, W), usable in any training loop.

>>> import torch
>>> logits, target = torch.zeros(2, 3, 8, 8, requires_grad=True), torch.ones(2, 8, 8, dtype=torch.long)
>>> loss = cross_entropy(logits, target, class_weights=torch.tensor([0.5, 1.0, 2.0])) + 0.5 * dice(logits, target)
>>> loss.backward()
"""

from intarsia.losses.adaptive_affinity_field import AdaptiveAffinityField
from intarsia.losses.border import border_weighted_cross_entropy, border_weights
from intarsia.losses.cross_entropy import cross_entropy
from intarsia.losses.depth import berhu_depth, l1_depth, l2_depth, scale_invariant_log_depth
from intarsia.losses.dice import dice
from intarsia.losses.focal import focal
from intarsia.losses.lovasz import lovasz, lovasz_hinge, lovasz_softmax
from intarsia.losses.objective import Objective
from intarsia.losses.ohem import ohem_cross_entropy
from intarsia.losses.pixels import total_weight

__all__ = [
    "AdaptiveAffinityField",
    "Objective",
    "berhu_depth",
    "border_weighted_cross_entropy",
    "border_weights",
    "cross_entropy",
    "dice",
    "focal",
    "l1_depth",
    "l2_depth",
    "lovasz",
    "lovasz_hinge",
    "lovasz_softmax",
    "ohem_cross_entropy",
    "scale_invariant_log_depth",
    "total_weight",
]
