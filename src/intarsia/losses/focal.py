"""Focal loss: cross-entropy that forgets what the network already knows."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses.pixels import check_weights, class_logits, mean_by, pixel_weights
from intarsia.shapes import IGNORE


def focal(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """Weighted mean over the valid pixels of −(1 − p)^γ · log p, for the probability p of a pixel's true class.

    Lin et al., arXiv:1708.02002, equations 4 and 5, with ``gamma`` γ, 0 for plain cross-entropy, and ``class_weights``
    as α of the true class: the paper's 0.25 for objects is (0.75, 0.25). The paper divides by the number of objects;
    pixels have no such number, and the sum of the valid pixels' weights divides here, as in
    :func:`~intarsia.losses.cross_entropy`. From K = 2 on, p is a softmax; the paper's network has a sigmoid for each
    class.

    Raises:
        ArgumentError: ``gamma`` is negative, or the weights are not one a class.

    >>> half = torch.zeros(1, 2, 1, 1)
    >>> round(focal(half, torch.tensor([[[1]]])).item() / torch.tensor(2.0).log().item(), 6)
    0.25
    """
    if not 0 <= gamma < float("inf"):
        raise ArgumentError(f"`gamma` (={gamma}) must be a number from 0 on, which is plain cross-entropy; 2 is usual.")
    scores = class_logits(logits)
    check_weights(class_weights, scores.shape[1])
    losses = F.cross_entropy(scores, target, ignore_index=ignore, reduction="none")
    doubts = (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).tiny)  # at 0 a root has no slope
    weights = pixel_weights(target, ignore, class_weights, losses.dtype)
    return mean_by((weights * doubts**gamma * losses).sum(), weights.sum())
