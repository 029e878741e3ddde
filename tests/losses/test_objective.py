"""Sums of losses."""

from inspect import signature

import pytest
import torch

from intarsia.errors import ArgumentError
from intarsia.losses import AdaptiveAffinityField, Objective, cross_entropy, dice, focal, ohem_cross_entropy
from intarsia.losses.objective import PAIRS, PIXELS
from intarsia.runs.loss_names import LOSSES, OPTIONS, loss_terms

DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 3, 8, 8, generator=DRAW)
LABELS = torch.randint(3, (2, 8, 8), generator=DRAW)


def test_every_name_of_a_recipe_is_a_loss_with_its_options() -> None:
    assert set(LOSSES) == {*PIXELS, *PAIRS}
    for name, options in OPTIONS.items():
        parameters = signature({**PIXELS, **PAIRS}[name]).parameters
        defaults = {option: parameters[option].default for option in options.model_fields}
        assert defaults == options().model_dump()
    named = [option for options in OPTIONS.values() for option in options.model_fields]
    assert len(set(named)) == len(named), "an option alone names its loss"


def test_it_is_the_weighted_sum_and_auxiliary_outputs_have_no_pairs() -> None:
    terms = loss_terms("ohem+2*aaf+0.25*cross_entropy")
    objective = Objective(terms, 3, {"aaf": {"stride": 2, "weight": 0.5}, "ohem": {"threshold": 0.5}})
    pixels = 0.25 * cross_entropy(LOGITS, LABELS) + ohem_cross_entropy(LOGITS, LABELS, threshold=0.5)
    pairs = 2 * AdaptiveAffinityField(3, stride=2, weight=0.5)(LOGITS, LABELS)
    torch.testing.assert_close(objective(LOGITS, LABELS), pixels + pairs)
    torch.testing.assert_close(objective(LOGITS, LABELS, auxiliary=True), pixels)


@pytest.mark.parametrize("terms", ["cross_entropy", "ohem+border_weighted", "focal+dice+lovasz"])
def test_losses_of_pixels_learn_nothing(terms: str) -> None:
    assert not Objective(loss_terms(terms), 3).state_dict()


def test_class_weights_reach_every_loss_and_stay_with_the_training() -> None:
    weights = torch.tensor([0.5, 1.0, 4.0])
    objective = Objective({"focal": 1.0, "dice": 2.0}, 3, class_weights=weights)
    expected = focal(LOGITS, LABELS, class_weights=weights) + 2 * dice(LOGITS, LABELS, class_weights=weights)
    torch.testing.assert_close(objective(LOGITS, LABELS), expected)
    assert objective.weight(LABELS).item() == pytest.approx(weights[LABELS].sum().item())
    again = Objective({"focal": 1.0, "dice": 2.0}, 3, class_weights=torch.zeros(3))
    again.load_state_dict(objective.state_dict())
    torch.testing.assert_close(again(LOGITS, LABELS), expected)
    assert not list(objective.parameters())


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 0.0, 4.0])])
@pytest.mark.parametrize("terms", ["cross_entropy", "ohem+0.5*dice+lovasz", "focal+border_weighted"])
def test_a_mean_over_images_is_that_of_each_image_alone(terms: str, weights: torch.Tensor | None) -> None:
    """Three of five images count: one has no valid pixel, and one only pixels of a class without weight."""
    logits = torch.randn(5, 3, 8, 8, generator=DRAW)
    labels = torch.randint(3, (5, 8, 8), generator=DRAW)
    labels[0, :, 1:], labels[1], labels[3] = 255, 255, 1
    each = Objective(loss_terms(terms), 3, class_weights=weights)
    mean = Objective(loss_terms(terms), 3, class_weights=weights, average="images")
    counted = [0, 2, 3, 4] if weights is None else [0, 2, 4]
    expected = torch.stack([each(logits[i : i + 1], labels[i : i + 1]) for i in counted]).mean()
    torch.testing.assert_close(mean(logits, labels), expected)
    assert mean.weight(labels).item() == len(counted)
    assert not torch.allclose(each(logits, labels), expected, rtol=1e-3), "it is not the mean over pixels"
    parts = [(mean(logits[part], labels[part]), mean.weight(labels[part])) for part in (slice(2), slice(2, 5))]
    total = sum(loss * weight for loss, weight in parts) / sum(weight for _, weight in parts)
    torch.testing.assert_close(total, expected)


def test_a_mean_over_no_image_is_nothing_with_a_gradient_of_nothing() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = Objective({"cross_entropy": 1.0, "lovasz": 1.0}, 3, average="images")(logits, torch.full_like(LABELS, 255))
    loss.backward()
    assert (loss.item(), logits.grad is not None and logits.grad.abs().sum().item()) == (0.0, 0.0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_another_average_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`average` \(='batch'\) must be 'pixels' or 'images'"):
        Objective({"cross_entropy": 1.0}, 3, average="batch")  # pyright: ignore[reportArgumentType]


def test_pairs_of_a_mean_over_images_are_those_of_the_batch() -> None:
    images = Objective({"cross_entropy": 1.0, "aaf": 2.0}, 3, average="images")
    alone = Objective({"cross_entropy": 1.0}, 3, average="images")(LOGITS, LABELS)
    expected = alone + 2 * AdaptiveAffinityField(3)(LOGITS, LABELS)
    torch.testing.assert_close(images(LOGITS, LABELS), expected)


def test_what_is_ignored_and_how_far_the_training_is_are_passed_on() -> None:
    objective = Objective({"cross_entropy": 1.0, "aaf": 1.0}, 3)
    objective.advance(1.0)
    expected = cross_entropy(LOGITS, LABELS, 1) + AdaptiveAffinityField(3)(LOGITS, LABELS, 1) / 10
    torch.testing.assert_close(objective(LOGITS, LABELS, 1), expected)
