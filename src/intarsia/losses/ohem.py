"""Online hard example mining: the cross-entropy of the pixels that the network does not yet get right."""

import math

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses.pixels import check_weights, class_logits, mean_by, pixel_weights
from intarsia.shapes import IGNORE


def ohem_cross_entropy(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
    threshold: float = 0.7,
    min_kept: int | None = None,
) -> Float[Tensor, ""]:
    """Mean over the hard pixels of the batch: those whose true class has a probability below ``threshold``.

    If fewer than ``min_kept`` are hard, the ``min_kept`` hardest count; by default a sixteenth of the valid pixels. The
    mean over no pixel is 0. K = 1 is a sigmoid, from K = 2 on softmax. ``class_weights`` have no part in the choice;
    the mean over the chosen pixels is then a weighted one.

    Shrivastava et al., arXiv:1604.03540, choose the hardest regions of an image for detection; in this form, by pixels
    and with a threshold, it is in the code of BiSeNet's authors and of its public implementations (arXiv:1808.00897
    speaks of softmax loss only). The choice is made over the batch, so that parts of a batch do not add up to it.

    Raises:
        ArgumentError: ``threshold`` does not lie in (0, 1], ``min_kept`` is negative, or the weights are not one a
            class.

    >>> import torch
    >>> import torch.nn.functional as F
    >>> confident, wrong = torch.tensor([[5.0, -5.0]]), torch.tensor([[-1.0, 1.0]])
    >>> logits = torch.stack([confident, wrong], dim=-1)[..., None, :]  # two classes, one row of two pixels
    >>> ohem_cross_entropy(logits, torch.tensor([[[0, 0]]])).item() == F.cross_entropy(wrong, torch.tensor([0])).item()
    True
    """
    if not 0 < threshold <= 1:
        raise ArgumentError(f"`threshold` (={threshold}) is a probability and must lie in (0, 1]; 0.7 is usual.")
    if min_kept is not None and min_kept < 0:
        raise ArgumentError(f"`min_kept` (={min_kept}) must be a number of pixels from 0 on, or None for a sixteenth.")
    scores = class_logits(logits)
    check_weights(class_weights, scores.shape[1])
    valid = target != ignore
    losses = F.cross_entropy(scores, target, ignore_index=ignore, reduction="none")[valid]
    weights = pixel_weights(target, ignore, class_weights, losses.dtype)[valid]
    kept = losses.numel() // 16 if min_kept is None else min(min_kept, losses.numel())
    hard = (losses > -math.log(threshold)).nonzero().squeeze(1)
    if hard.numel() < kept:
        hard = losses.topk(kept).indices
    return mean_by((weights[hard] * losses[hard]).sum(), weights[hard].sum())
