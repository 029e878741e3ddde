"""The losses of pixels against loops over pixels, against smp where definitions agree, and what holds for all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import segmentation_models_pytorch.losses as smp
import torch
from reference import losses as twins
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses import (
    border_weighted_cross_entropy,
    cross_entropy,
    dice,
    focal,
    lovasz,
    lovasz_hinge,
    lovasz_softmax,
    ohem_cross_entropy,
    total_weight,
)
from intarsia.losses.lovasz import jaccard_steps

Loss = Callable[..., Tensor]

CASES: dict[str, tuple[Loss, Callable[..., float]]] = {
    "cross_entropy": (cross_entropy, twins.cross_entropy),
    "smoothed": (partial(cross_entropy, label_smoothing=0.2), partial(twins.cross_entropy, smoothing=0.2)),
    "focal": (focal, twins.focal),
    "focal, a root": (partial(focal, gamma=0.5), partial(twins.focal, gamma=0.5)),
    "dice": (dice, twins.dice),
    "dice, squared": (partial(dice, power=2), partial(twins.dice, power=2)),
    "ohem": (partial(ohem_cross_entropy, min_kept=0), twins.ohem),
    "ohem, the hardest": (
        partial(ohem_cross_entropy, threshold=0.01, min_kept=9),
        partial(twins.ohem, threshold=0.01, kept=9),
    ),
    "lovasz": (lovasz, twins.lovasz),
}
ALL: dict[str, Loss] = {name: loss for name, (loss, _) in CASES.items()} | {"border": border_weighted_cross_entropy}


def drawn(classes: int, seed: int = 0, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits in float64 and labels, of which the last class is rare and the one before nowhere if there are four."""
    draw = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(2, classes, 4, 5, generator=draw, dtype=torch.float64)
    target = torch.randint(0, 2, (2, 4, 5), generator=draw)
    target[1, 2, 3] = max(classes, 2) - 1
    target[0, 0] = 255
    return logits, target


@pytest.mark.parametrize("ignore", [255, 0])
@pytest.mark.parametrize("weights", [None, [0.5, 3.0, 7.0, 0.25], [0.0, 1.0, 1.0, 2.0]])
@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("name", CASES)
def test_it_is_its_twin(name: str, classes: int, weights: list[float] | None, ignore: int) -> None:
    logits, target = drawn(classes)
    target[target == 255] = ignore
    loss, twin = CASES[name]
    few = None if weights is None else weights[: max(2, classes)]
    given = None if few is None else torch.tensor(few)
    found = loss(logits, target, ignore, class_weights=given)
    assert found.item() == pytest.approx(twin(logits.numpy(), target.numpy(), ignore, few), rel=1e-9)


@pytest.mark.parametrize("label", [0, 1])
def test_the_hinge_is_its_twin_where_the_class_is_nowhere_or_everywhere(label: int) -> None:
    logits, target = drawn(1)
    alone = torch.full_like(target, label)
    expected = twins.lovasz_hinge(logits.numpy(), alone.numpy(), 255)
    assert lovasz_hinge(logits, alone).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_its_gradient_is_that_of_finite_differences(name: str, classes: int) -> None:
    logits, target = drawn(classes)
    weights = torch.tensor([0.5, 3.0, 7.0][: max(2, classes)])
    loss = partial(ALL[name], target=target, class_weights=weights)
    assert torch.autograd.gradcheck(loss, logits.requires_grad_(), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_nothing_valid_is_zero_with_a_zero_gradient(name: str, classes: int, weights: bool) -> None:
    given = torch.ones(max(2, classes)) if weights else None
    logits = torch.randn(2, classes, 3, 3, requires_grad=True)
    loss = ALL[name](logits, torch.full((2, 3, 3), 255), class_weights=given)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_classes_that_weigh_nothing_and_logits_without_measure_give_no_nan(name: str, classes: int) -> None:
    """All valid pixels of a class of weight 0; and a network that is surer than 32 bits can say, right or wrong."""
    target = torch.tensor([[[0, 0, 255]], [[1, 0, 255]]])
    for value, weights in ((1.0, [0.0, 0.0, 1.0]), (1e4, [1.0, 1.0, 1.0]), (-1e4, [1.0, 1.0, 1.0])):
        logits = torch.full((2, classes, 1, 3), value).cumsum(1).requires_grad_()
        loss = ALL[name](logits, target, class_weights=torch.tensor(weights[: max(2, classes)]))
        loss.backward()
        assert loss.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_under_autocast_and_from_bfloat16_it_is_computed_in_float32(name: str, classes: int) -> None:
    logits, target = drawn(classes)
    logits = logits.bfloat16()
    expected = ALL[name](logits.float(), target)
    with torch.autocast("cpu", torch.bfloat16):
        for given in (logits, logits.float()):
            found = ALL[name](given, target)
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, expected)


def present(target: Tensor) -> int:
    return len(target[target != 255].unique())


def of_smp(loss: type, mode: str, **more: Any) -> Callable[[Tensor, Tensor], Tensor]:
    return loss(mode, ignore_index=255, **more)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_smps_where_definitions_agree(seed: int) -> None:
    """Its Dice divides by all classes; its focal loss of many classes has a sigmoid for each, and is another loss."""
    (one, truth), (four, labels) = drawn(1, seed), drawn(4, seed)
    one, four = one.float(), four.float()
    close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-6)
    close(dice(one, truth), of_smp(smp.DiceLoss, "binary")(one, truth))
    close(dice(four, labels), of_smp(smp.DiceLoss, "multiclass")(four, labels) * 4 / present(labels))
    close(lovasz(one, truth), of_smp(smp.LovaszLoss, "binary")(one[:, 0], truth))
    close(lovasz(four, labels), of_smp(smp.LovaszLoss, "multiclass")(four, labels))
    close(focal(one, truth), of_smp(smp.FocalLoss, "binary")(one[:, 0], truth))
    weights = torch.tensor([0.75, 0.25])  # its alpha = 0.25, and its mean is over pixels, not over their weights
    theirs = of_smp(smp.FocalLoss, "binary", alpha=0.25)(one[:, 0], truth)
    valid = (truth != 255).sum()
    close(focal(one, truth, class_weights=weights) * total_weight(truth, class_weights=weights) / valid, theirs)


@pytest.mark.parametrize("name", ["cross_entropy", "smoothed", "focal", "border"])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.01, 0.02, 0.001])])
def test_parts_of_a_batch_add_up_by_their_total_weights(name: str, weights: Tensor | None) -> None:
    logits, target = drawn(3)
    loss = partial(ALL[name], class_weights=weights)
    shares = [total_weight(mask[None], class_weights=weights) for mask in target]
    parts = [loss(z[None], mask[None]) * share for z, mask, share in zip(logits, target, shares, strict=True)]
    torch.testing.assert_close(sum(parts) / sum(shares), loss(logits, target), check_dtype=False)


def test_steps_of_a_large_batch_keep_their_precision() -> None:
    """Differences of two Jaccard indices lose most of their digits in float32 from a million pixels on."""
    is_true = torch.rand(1, 1 << 20, generator=torch.Generator().manual_seed(0)) < 0.5
    assert is_true.sum() > 1 << 18
    torch.testing.assert_close(jaccard_steps(is_true), jaccard_steps(is_true, torch.float64).float(), rtol=1e-6, atol=0)


REFUSED: list[tuple[Callable[..., Tensor], int, dict[str, Any], str]] = [
    *((loss, 3, {"class_weights": torch.ones(2)}, r"`class_weights` \(=\[1.0, 1.0\]\) must be one number for each of ")
      for loss in ALL.values()),
    (lovasz, 1, {"class_weights": torch.ones(1)}, "each of the 2 classes; a single logit has two"),
    (cross_entropy, 2, {"label_smoothing": 1.0}, r"`label_smoothing` \(=1.0\) must lie in \[0, 1\): .*0.1 is usual"),
    (cross_entropy, 2, {"label_smoothing": -0.1}, r"`label_smoothing` \(=-0.1\) must lie"),
    (focal, 2, {"gamma": -1.0}, r"`gamma` \(=-1.0\) must be a number from 0 on, .*; 2 is usual"),
    (focal, 2, {"gamma": float("nan")}, r"`gamma` \(=nan\) must be a number"),
    (lovasz_softmax, 1, {}, r"`logits` \(of 1 class\) are for `lovasz_hinge`"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "classes", "options", "sentence"), REFUSED)
def test_refusals(loss: Loss, classes: int, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        loss(torch.zeros(1, classes, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long), **options)
