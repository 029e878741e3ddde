"""Adaptive affinity fields: weights of sizes that learn against the network."""

from typing import Any

import pytest
import torch

from intarsia.affinity import affinity_field_loss
from intarsia.errors import ArgumentError
from intarsia.losses import AdaptiveAffinityField

DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 3, 24, 24, generator=DRAW)
LABELS = torch.randint(3, (2, 6, 6), generator=DRAW).repeat_interleave(4, 1).repeat_interleave(4, 2)


def test_at_first_each_size_counts_a_third_and_the_weights_are_used() -> None:
    loss = AdaptiveAffinityField(3)
    torch.testing.assert_close(loss(LOGITS, LABELS), affinity_field_loss(LOGITS, LABELS) / 3)
    torch.nn.init.normal_(loss.edge, generator=DRAW)
    torch.nn.init.normal_(loss.not_edge, generator=DRAW)
    expected = affinity_field_loss(LOGITS, LABELS, edge_weights=loss.edge, not_edge_weights=loss.not_edge)
    torch.testing.assert_close(loss(LOGITS, LABELS), expected)


def test_a_step_that_minimises_raises_the_loss_by_its_weights_and_lowers_it_by_the_logits() -> None:
    loss, logits = AdaptiveAffinityField(3), LOGITS.clone().requires_grad_()
    before = loss(logits, LABELS)
    before.backward()
    torch.optim.SGD([logits, *loss.parameters()], lr=50.0).step()
    assert loss(LOGITS, LABELS) > before + 0.001
    assert AdaptiveAffinityField(3)(logits, LABELS) < before - 0.003


def test_the_gradient_of_weights_is_reversed_and_that_of_logits_is_not() -> None:
    loss, logits = AdaptiveAffinityField(3), LOGITS.clone().requires_grad_()
    found = torch.autograd.grad(loss(logits, LABELS), (logits, *loss.parameters()))
    plain = affinity_field_loss(logits, LABELS, edge_weights=loss.edge, not_edge_weights=loss.not_edge)
    expected = torch.autograd.grad(plain, (logits, *loss.parameters()))
    torch.testing.assert_close(found, (expected[0], -expected[1], -expected[2]))
    assert expected[1].abs().max() > 1e-4


def test_it_decays_tenfold_over_a_training() -> None:
    loss = AdaptiveAffinityField(3, weight=2.0)
    values = []
    for loss.progress in (0.0, 0.5, 1.0):
        values.append(loss(LOGITS, LABELS) / AdaptiveAffinityField(3)(LOGITS, LABELS))
    torch.testing.assert_close(torch.stack(values), torch.tensor([2.0, 2 / 10**0.5, 0.2]))


@pytest.mark.parametrize("stride", [1, 2, 3, 8])
def test_a_stride_takes_the_middle_of_each_cell(stride: int) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = AdaptiveAffinityField(3, stride=stride)(logits, LABELS)
    small = LOGITS[:, :, stride // 2 :: stride, stride // 2 :: stride]
    expected = AdaptiveAffinityField(3)(small, LABELS[:, stride // 2 :: stride, stride // 2 :: stride])
    torch.testing.assert_close(loss, expected)
    (grad,) = torch.autograd.grad(loss, logits)
    assert not grad[:, :, stride // 2 + 1 :: stride].any() or stride == 1


def test_one_size_has_nothing_to_learn_and_one_logit_two_classes() -> None:
    fixed = AdaptiveAffinityField(3, sizes=(5,))
    value = fixed(LOGITS, LABELS)
    torch.testing.assert_close(value, affinity_field_loss(LOGITS, LABELS, sizes=(5,)))
    value.backward()
    assert fixed.edge.grad is not None
    assert not fixed.edge.grad.any()
    single = AdaptiveAffinityField(1)
    assert single.edge.shape == (2, 3)
    assert single(LOGITS[:, :1], LABELS.clamp_max(1)) > 0


def test_what_is_ignored_is_passed_on() -> None:
    loss = AdaptiveAffinityField(3)
    expected = loss(LOGITS, torch.where(LABELS == 1, 255, LABELS))
    torch.testing.assert_close(loss(LOGITS, LABELS, ignore=1), expected)
    assert expected != loss(LOGITS, LABELS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 0}, r"`stride` \(=0\) must be a whole number of pixels from 1 on"),
        ({"stride": 2.0}, r"`stride` \(=2.0\) must be a whole number of pixels from 1 on"),
        ({"sizes": (3.0,)}, r"`sizes` \(=\(3.0,\)\) must be odd numbers"),
        ({"weight": 0.0}, r"`weight` \(=0.0\) must be a positive number; the paper's is 1"),
        ({"weight": float("inf")}, r"`weight` \(=inf\) must be a positive number"),
        ({"sizes": (4,)}, r"`sizes` \(=\(4,\)\) must be odd numbers"),
        ({"margin": -1.0}, r"`margin` \(=-1.0\) must be a positive number of nats"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_refusals(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        AdaptiveAffinityField(3, **options)


def test_a_stride_that_leaves_no_pixel_is_refused() -> None:
    loss = AdaptiveAffinityField(3, stride=8)
    assert loss(LOGITS[:, :, :5, :5], LABELS[:, :5, :5]) == 0  # one pixel has no neighbours
    with pytest.raises(ArgumentError, match=r"`stride` \(=8\) leaves no pixel of maps of 4×5: it must be less than"):
        loss(LOGITS[:, :, :4, :5], LABELS[:, :4, :5])
