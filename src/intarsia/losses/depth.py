"""Losses of depth maps over the pixels whose depth is known: zero in the target means that it is not."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.errors import ArgumentError

LEAST = 1e-3  # the least depth that has a logarithm here, in the depths' own unit


def l1_depth(prediction: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """Mean absolute error over the pixels with a target above 0; 0 if there is none. CSPN's own (its published code).

    >>> l1_depth(torch.tensor([[[[2.0, 9.0]]]]), torch.tensor([[[[3.0, 0.0]]]])).item()
    1.0
    """
    return _mean(_errors(prediction, target).abs())


def l2_depth(prediction: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """Mean squared error over the pixels with a target above 0; 0 if there is none.

    >>> l2_depth(torch.tensor([[[[1.0, 9.0]]]]), torch.tensor([[[[3.0, 0.0]]]])).item()
    4.0
    """
    return _mean(_errors(prediction, target).square())


def berhu_depth(prediction: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """The reverse Huber loss: |e| up to c, (e² + c²) / 2c above, for c a fifth of the batch's largest error.

    Laina et al., arXiv:1606.00373, section 3.2, equation 1. c is a constant in the gradient, and parts of a batch do
    not add up to it.

    >>> round(berhu_depth(torch.tensor([[[[5.0, 1.5]]]]), torch.tensor([[[[0.5, 1.0]]]])).item(), 3)
    6.1
    """
    errors = _errors(prediction, target).abs()
    if not errors.numel():
        return _mean(errors)
    return _mean(reverse_huber(errors, errors.detach().max() / 5))


def reverse_huber(errors: Float[Tensor, " N"], c: Float[Tensor, ""]) -> Float[Tensor, " N"]:
    """|e| up to c, (e² + c²) / 2c above, where both have the same value and slope.

    >>> reverse_huber(torch.tensor([1.0, 4.0]), torch.tensor(2.0)).tolist()
    [1.0, 5.0]
    """
    above = (errors.square() + c.square()) / (2 * c.clamp_min(torch.finfo(errors.dtype).tiny))
    return torch.where(errors.abs() <= c, errors.abs(), above)


def scale_invariant_log_depth(
    prediction: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"], weight: float = 0.5
) -> Float[Tensor, ""]:
    """Mean over images of mean d² − weight · (mean d)², for d = log prediction − log target where a target is known.

    Eigen et al., arXiv:1406.2283, section 3.3, equation 4, with ``weight`` λ: at 1 the loss does not change when all of
    an image's depths are scaled, at 0 it is the mean squared error of logarithms. The paper's network gives logarithms;
    ours gives depths, which count as a thousandth of a unit where they are smaller, and have no gradient there. Images
    without a target do not count.

    Raises:
        ArgumentError: ``weight`` does not lie in [0, 1].

    >>> depths = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    >>> round(scale_invariant_log_depth(3 * depths, depths, weight=1.0).item(), 6)
    0.0
    """
    if not 0 <= weight <= 1:
        raise ArgumentError(f"`weight` (={weight}) must lie between 0 and 1, where scale costs nothing; 0.5 is usual.")
    valid = (target > 0).flatten(1)
    logs = prediction.clamp_min(LEAST).log() - torch.where(target > 0, target, 1).log()
    d = torch.where(valid, logs.flatten(1), 0)
    count = valid.sum(1)
    each = count.clamp_min(1)
    losses = d.square().sum(1) / each - weight * (d.sum(1) / each).square()
    return losses.sum() / (count > 0).sum().clamp_min(1)


def _errors(prediction: Float[Tensor, "B 1 H W"], target: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " N"]:
    valid = target > 0
    return prediction[valid] - target[valid]


def _mean(losses: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """0, with a gradient of 0, for none."""
    return losses.sum() / max(losses.numel(), 1)


DEPTH_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1_depth,
    "l2": l2_depth,
    "berhu": berhu_depth,
    "scale_invariant": scale_invariant_log_depth,
}
"""By the names that a recipe gives them."""
