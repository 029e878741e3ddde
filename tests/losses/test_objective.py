"""Sums of losses."""

import pytest
import torch

from intarsia.losses import AdaptiveAffinityField, Objective, cross_entropy, ohem_cross_entropy
from intarsia.losses.objective import PAIRS, PIXELS
from intarsia.runs.loss_names import LOSSES, PairOptions

DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 3, 8, 8, generator=DRAW)
LABELS = torch.randint(3, (2, 8, 8), generator=DRAW)


def test_every_name_of_a_recipe_is_a_loss_with_its_options() -> None:
    assert set(LOSSES) == {*PIXELS, *PAIRS}
    loss = AdaptiveAffinityField(3)
    assert {name: getattr(loss, name) for name in PairOptions.model_fields} == PairOptions().model_dump()


def test_it_is_the_sum_and_auxiliary_outputs_have_no_pairs() -> None:
    objective = Objective(["ohem", "aaf", "cross_entropy"], 3, {"stride": 2, "weight": 0.5})
    pixels = cross_entropy(LOGITS, LABELS) + ohem_cross_entropy(LOGITS, LABELS)
    pairs = AdaptiveAffinityField(3, stride=2, weight=0.5)(LOGITS, LABELS)
    torch.testing.assert_close(objective(LOGITS, LABELS), pixels + pairs)
    torch.testing.assert_close(objective(LOGITS, LABELS, auxiliary=True), pixels)


@pytest.mark.parametrize("terms", [["cross_entropy"], ["ohem", "border_weighted"]])
def test_losses_of_pixels_learn_nothing(terms: list[str]) -> None:
    assert not Objective(terms, 3).state_dict()


def test_what_is_ignored_and_how_far_the_training_is_are_passed_on() -> None:
    objective = Objective(["cross_entropy", "aaf"], 3)
    objective.advance(1.0)
    expected = cross_entropy(LOGITS, LABELS, 1) + AdaptiveAffinityField(3)(LOGITS, LABELS, 1) / 10
    torch.testing.assert_close(objective(LOGITS, LABELS, 1), expected)
