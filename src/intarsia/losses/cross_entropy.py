"""Cross-entropy over the valid pixels."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses.pixels import check_weights, class_logits, mean_by, total_weight
from intarsia.shapes import IGNORE


def cross_entropy(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean over all pixels of the batch whose target is not ``ignore``; 0 if there is none.

    K = 1 is a sigmoid with binary cross-entropy, from K = 2 on softmax. With ``class_weights`` w it is the weighted
    mean, Σ w_y · −log p_y / Σ w_y for the true class y of each valid pixel, so that weights times ten change nothing.

    ``label_smoothing`` ε (Szegedy et al., arXiv:1512.00567, section 7) wants 1 − ε of the true class and ε / K of every
    class: (1 − ε) · −log p_y plus ε / K · Σ_c −log p_c. A weight stands before the logarithm of its own class, also in
    the second sum; the denominator stays Σ w_y, as in PyTorch.

    Raises:
        ArgumentError: the weights are not one a class, or ``label_smoothing`` does not lie in [0, 1).

    >>> import torch
    >>> cross_entropy(torch.zeros(1, 4, 1, 2), torch.tensor([[[3, 255]]])).item() == torch.tensor(4.0).log().item()
    True
    """
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(
            f"`label_smoothing` (={label_smoothing}) must lie in [0, 1): the share that all classes have in common; "
            "0.1 is usual."
        )
    scores = class_logits(logits)
    check_weights(class_weights, scores.shape[1])
    weights = None if class_weights is None else class_weights.to(scores)
    total = F.cross_entropy(
        scores, target, weights, ignore_index=ignore, label_smoothing=label_smoothing, reduction="sum"
    )
    return mean_by(total, total_weight(target, ignore, class_weights))
