"""Cross-entropy over the valid pixels."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.shapes import IGNORE


def cross_entropy(
    logits: Float[Tensor, "B K H W"], target: Int[Tensor, "B H W"], ignore: int = IGNORE
) -> Float[Tensor, ""]:
    """Mean over all pixels of the batch whose target is not ``ignore``; 0 if there is none.

    K = 1 is a sigmoid with binary cross-entropy, from K = 2 on softmax.

    >>> cross_entropy(torch.zeros(1, 4, 1, 2), torch.tensor([[[3, 255]]])).item() == torch.tensor(4.0).log().item()
    True
    """
    valid = target != ignore
    if logits.shape[1] == 1:
        wanted = torch.where(valid, target, 0).to(logits.dtype)
        total = F.binary_cross_entropy_with_logits(logits[:, 0], wanted, valid.to(logits.dtype), reduction="sum")
    else:
        total = F.cross_entropy(logits, target, ignore_index=ignore, reduction="sum")
    return total / valid.sum().clamp_min(1)
