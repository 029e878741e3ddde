"""The Lovász losses: the Jaccard index of a whole batch, made continuous, so that its own gradient can be followed."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses.pixels import check_weights, class_logits, mean_by
from intarsia.shapes import IGNORE


def lovasz(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, ""]:
    """:func:`lovasz_hinge` of a single logit, :func:`lovasz_softmax` of more.

    >>> target = torch.tensor([[[1, 0]]])
    >>> lovasz(torch.zeros(1, 1, 1, 2), target).item(), lovasz(torch.zeros(1, 2, 1, 2), target).item()
    (1.0, 0.5)
    """
    if logits.shape[1] > 1:
        return lovasz_softmax(logits, target, ignore, class_weights=class_weights)
    check_weights(class_weights, 2)
    return lovasz_hinge(logits, target, ignore)


def lovasz_softmax(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, ""]:
    """Weighted mean over the classes of a batch of the Lovász extension of 1 − IoU; 0 without a valid pixel.

    Berman et al., arXiv:1705.08790, section 3.2: the error of a pixel for class c is 1 − p_c where c is true, p_c
    elsewhere, and errors from the largest down are weighted by how much each pixel adds to the Jaccard loss of those
    before it (algorithm 1). Pixels are those of the whole batch, and classes those that it holds, as in the authors'
    code by default.

    Raises:
        ArgumentError: there is a single logit, or the weights are not one a class.

    >>> lovasz_softmax(torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]]), torch.tensor([[[0, 1]]])).item() < 1e-7
    True
    """
    classes = logits.shape[1]
    if classes == 1:
        raise ArgumentError("`logits` (of 1 class) are for `lovasz_hinge`; `lovasz_softmax` takes two classes or more.")
    check_weights(class_weights, classes)
    valid = target != ignore
    probabilities = class_logits(logits).movedim(1, -1)[valid].softmax(1).T
    present = target[valid].unique()
    is_true = target[valid] == present[:, None]
    errors = torch.where(is_true, 1 - probabilities[present], probabilities[present])
    losses = _extended(errors, is_true)
    weights = torch.ones_like(losses) if class_weights is None else class_weights.to(losses)[present]
    return mean_by((weights * losses).sum(), weights.sum())


def lovasz_hinge(
    logits: Float[Tensor, "B 1 H W"], target: Int[Tensor, "B H W"], ignore: int = IGNORE
) -> Float[Tensor, ""]:
    """The Lovász extension of 1 − IoU of the class of a single logit; 0 without a valid pixel.

    Berman et al., arXiv:1705.08790, section 3.1: the error of a pixel is max(0, 1 − z) where the class is, max(0, 1 +
    z) elsewhere, for the logit z. Where the class is nowhere in the batch, the largest error alone counts.

    >>> lovasz_hinge(torch.tensor([[[[3.0, -0.5]]]]), torch.tensor([[[1, 0]]])).item()
    0.25
    """
    valid = target != ignore
    scores = class_logits(logits)[:, 1][valid]
    is_true = target[valid] == 1
    errors = (1 - torch.where(is_true, scores, -scores)).clamp_min(0)
    return _extended(errors[None], is_true[None]).sum()


def _extended(errors: Float[Tensor, "C N"], is_true: Bool[Tensor, "C N"]) -> Float[Tensor, "C"]:
    """The Lovász extension of the Jaccard loss of each class, by :func:`jaccard_steps`."""
    errors, order = errors.sort(1, descending=True)
    return (errors * jaccard_steps(is_true.gather(1, order), errors.dtype)).sum(1)


def jaccard_steps(is_true: Bool[Tensor, "C N"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "C N"]:
    """How much each pixel adds to 1 − IoU, when pixels of a class and of others are missed one after the other.

    After some, of which t were of the class and f were not, 1 − IoU is 1 − (G − t) / (G + f), for G pixels of the
    class. A pixel of the class adds 1 / (G + f), another one (G − t) / ((G + f − 1)(G + f)) with itself in f: no
    difference of two nearly equal numbers, which in single precision would lose a large batch's steps.

    >>> jaccard_steps(torch.tensor([[True, False, False, True]])).tolist()
    [[0.5, 0.1666..., 0.0833..., 0.25]]
    """
    total = is_true.sum(1, keepdim=True)
    missed = is_true.cumsum(1)
    united = (total + (~is_true).cumsum(1)).to(dtype)
    wrong = (total - missed) / (united * (united - 1)).clamp_min(1)
    steps = torch.where(is_true, 1 / united.clamp_min(1), wrong)
    if steps.shape[1]:
        steps[:, 0] = torch.where(total[:, 0] > 0, steps[:, 0], 1)  # a single false pixel spoils an empty class
    return steps
