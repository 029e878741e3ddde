"""Losses of depth maps: their values by hand, their gradients, their laws, and nothing from no pixel."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses import berhu_depth, l1_depth, l2_depth, scale_invariant_log_depth
from intarsia.losses.depth import reverse_huber

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES = [l1_depth, l2_depth, berhu_depth, scale_invariant_log_depth]


def depths(seed: int = 0, shape: tuple[int, ...] = (3, 1, 4, 5)) -> tuple[Tensor, Tensor]:
    """Predictions, and targets a third of which are unknown."""
    draw = torch.Generator().manual_seed(seed)
    prediction, target, chance = 0.5 + 4 * torch.rand(3, *shape, generator=draw, dtype=torch.float64)
    return prediction, torch.where(chance < 2, 0.0, target)


def by_hand(loss: Loss, prediction: Tensor, target: Tensor) -> float:
    """Pixel by pixel."""
    images = [
        [(float(p), float(t)) for p, t in zip(i.flatten(), j.flatten(), strict=True) if t > 0]
        for i, j in zip(prediction, target, strict=True)
    ]
    known = [pair for image in images for pair in image]
    largest = max(abs(p - t) for p, t in known)
    if loss is scale_invariant_log_depth:
        logs = [[math.log(p) - math.log(t) for p, t in image] for image in images if image]
        each = [sum(d * d for d in image) / len(image) - 0.5 * (sum(image) / len(image)) ** 2 for image in logs]
        return sum(each) / len(each)
    pixel = {
        l1_depth: abs,
        l2_depth: lambda e: e * e,
        berhu_depth: lambda e: abs(e) if abs(e) <= largest / 5 else (e * e + (largest / 5) ** 2) / (2 * largest / 5),
    }[loss]
    return sum(pixel(p - t) for p, t in known) / len(known)


@pytest.mark.parametrize("loss", LOSSES)
def test_values(loss: Loss) -> None:
    prediction, target = depths()
    target[1] = 0  # one image of the batch knows nothing
    assert loss(prediction, target).item() == pytest.approx(by_hand(loss, prediction, target), rel=1e-12)


@pytest.mark.parametrize("loss", [l1_depth, l2_depth, scale_invariant_log_depth])
def test_gradients(loss: Loss) -> None:
    prediction, target = depths(1)
    assert torch.autograd.gradcheck(lambda p: loss(p, target), prediction.requires_grad_())


def test_gradients_of_the_reverse_huber() -> None:
    errors, c = torch.tensor([-3.0, -0.9, 0.2, 1.1, 4.0], dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda e: reverse_huber(e, c), errors.requires_grad_())
    prediction, target = torch.tensor([[[[6.0, 1.5]]]], requires_grad=True), torch.ones(1, 1, 1, 2)
    berhu_depth(prediction, target).backward()  # errors 5 and 0.5 with c = 1, a constant: slopes e / c and 1
    assert prediction.grad is not None
    torch.testing.assert_close(prediction.grad.flatten(), torch.tensor([2.5, 0.5]))


@pytest.mark.parametrize("loss", LOSSES)
def test_unknown_pixels_teach_nothing(loss: Loss) -> None:
    prediction, target = depths(2)
    prediction.requires_grad_()
    loss(prediction, target).backward()
    assert prediction.grad is not None
    assert ((prediction.grad != 0) == (target > 0)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_valid_gives_zero_with_a_gradient(loss: Loss) -> None:
    prediction = torch.rand(2, 1, 3, 3, requires_grad=True)
    value = loss(prediction, torch.zeros(2, 1, 3, 3))
    value.backward()
    assert value.item() == 0
    assert prediction.grad is not None
    assert not prediction.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_truth_costs_nothing(loss: Loss) -> None:
    _, target = depths(3)
    prediction = torch.where(target > 0, target, 7.0).requires_grad_()
    value = loss(prediction, target)
    value.backward()
    assert value.item() == 0
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_scale_costs_nothing_at_weight_one() -> None:
    prediction, target = depths(4)
    scales = torch.tensor([0.5, 3.0, 7.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    loss = scale_invariant_log_depth(prediction, target, weight=1.0)
    torch.testing.assert_close(scale_invariant_log_depth(scales * prediction, target, weight=1.0), loss)
    assert scale_invariant_log_depth(scales * prediction, target) > 1.1 * scale_invariant_log_depth(prediction, target)


def test_depths_without_a_logarithm_are_finite() -> None:
    prediction = torch.tensor([[[[-2.0, 0.0, 1.0]]]], requires_grad=True)
    loss = scale_invariant_log_depth(prediction, torch.ones(1, 1, 1, 3))
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_weights_lie_between_zero_and_one(weight: float) -> None:
    with pytest.raises(ArgumentError, match=rf"`weight` \(={weight}\) must lie between 0 and 1"):
        scale_invariant_log_depth(*depths(), weight)
