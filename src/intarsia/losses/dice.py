"""Dice loss: one minus the overlap of each class, as the score of the same name counts it."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.losses.pixels import check_weights, class_logits, mean_by
from intarsia.shapes import IGNORE

OVER_PIXELS = (0, 2, 3)


def dice(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
    power: Literal[1, 2] = 1,
) -> Float[Tensor, ""]:
    """Weighted mean over classes of 1 − 2 Σ p·g / (Σ p^power + Σ g), sums over all valid pixels of the batch.

    p is the probability of a class at a pixel and g is 1 where it is the true one, else 0. Milletari et al.,
    arXiv:1606.04797, section 3, square p (``power=2``); Sudre et al., arXiv:1707.03237, section 2.1, do not. Only the
    classes that the batch's valid pixels hold count; a single logit has one class, the second. There is no smoothing
    term: what has no pixel has no loss, and 0 is the loss of a batch without classes.

    With power 1 it is ``DiceLoss`` of segmentation_models_pytorch where the batch holds all classes; where it does not,
    theirs divides by K all the same and is smaller.

    Raises:
        ArgumentError: the weights are not one a class.

    >>> dice(torch.tensor([[[[99.0]], [[0.0]]]]), torch.tensor([[[0]]])).item()
    0.0
    """
    scores = class_logits(logits)
    check_weights(class_weights, scores.shape[1])
    valid = (target != ignore)[:, None]
    names = torch.arange(scores.shape[1], device=target.device)[:, None, None]
    is_true = (target[:, None] == names) & valid
    probabilities = scores.softmax(1) * valid
    present = is_true.sum(OVER_PIXELS)
    both = (probabilities * is_true).sum(OVER_PIXELS)
    either = (probabilities**power).sum(OVER_PIXELS) + present
    losses = torch.where(present > 0, 1 - 2 * both / either.clamp_min(torch.finfo(either.dtype).tiny), 0)
    weights = (present > 0).to(losses.dtype)
    if class_weights is not None:
        weights = weights * class_weights.to(losses)
    of_interest = slice(1 if logits.shape[1] == 1 else 0, None)
    return mean_by((weights * losses)[of_interest].sum(), weights[of_interest].sum())
