"""What the losses of pixels share: logits of classes, the weight of each pixel, and a mean that nothing makes NaN."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.shapes import IGNORE


def class_logits(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B C H W"]:
    """Logits of at least two classes and 32 bits: a single one z is (0, z), since softmax of that is the sigmoid of z.

    >>> class_logits(torch.ones(1, 1, 1, 2, dtype=torch.bfloat16)).flatten(1).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)


def pixel_weights(
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    class_weights: Float[Tensor, "C"] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "B H W"]:
    """What each pixel counts: its class's weight, by default 1; 0 where the target is ``ignore``.

    >>> pixel_weights(torch.tensor([[[0, 1, 255]]]), class_weights=torch.tensor([0.5, 2.0])).tolist()
    [[[0.5, 2.0, 0.0]]]
    """
    valid = target != ignore
    if class_weights is None:
        return valid.to(dtype)
    return torch.where(valid, class_weights.to(dtype)[torch.where(valid, target, 0)], 0)


def total_weight(
    target: Int[Tensor, "B H W"], ignore: int = IGNORE, class_weights: Float[Tensor, "C"] | None = None
) -> Tensor:
    """By what cross_entropy, focal and border_weighted divide: the valid pixels' number, or the sum of their weights.

    Whoever adds up gradients of several batches divides by the sum of these, as if all had been one batch.

    >>> total_weight(torch.tensor([[[0, 1, 255]]])).item()
    2
    >>> total_weight(torch.tensor([[[0, 1, 255]]]), class_weights=torch.tensor([0.5, 2.0])).item()
    2.5
    """
    if class_weights is None:
        return (target != ignore).sum()
    return pixel_weights(target, ignore, class_weights).sum()


def mean_by(total: Tensor, weight: Tensor) -> Float[Tensor, ""]:
    """``total / weight``; 0, with a gradient of 0, where nothing has any weight."""
    weight = weight.to(total.dtype)
    return torch.where(weight > 0, total, 0) / torch.where(weight > 0, weight, 1)


def check_weights(class_weights: Tensor | None, classes: int) -> None:
    """Refuse weights that are not one a class.

    Raises:
        ArgumentError: there are more or fewer.
    """
    if class_weights is not None and len(class_weights) != classes:
        raise ArgumentError(
            f"`class_weights` (={class_weights.tolist()}) must be one number for each of the {classes} classes; a "
            "single logit has two, of what is not the class and of what is."
        )
