"""The rule of the verdict, and what the claims hold."""

import math
from dataclasses import replace

import pytest

from intarsia.ablations.claim import Comparison, judged, spread, verdict
from intarsia.ablations.claims import CLAIMS
from intarsia.ablations.scoring import SCORES
from intarsia.errors import ArgumentError

LOW, HIGH = [0.60, 0.61, 0.62], [0.65, 0.66, 0.64]


@pytest.mark.parametrize(
    ("first", "second", "expectation", "expected"),
    [
        (HIGH, LOW, "above", "holds here"),
        (LOW, HIGH, "above", "is reversed"),
        (LOW, HIGH, "below", "holds here"),
        (HIGH, LOW, "below", "is reversed"),
        (HIGH, LOW, "no worse", "holds here"),
        (LOW, HIGH, "no worse", "is reversed"),
        # one seed of three says the opposite
        ([0.80, 0.80, 0.60], [0.60, 0.60, 0.61], "above", "does not show at this size"),
        ([0.80, 0.80, 0.60], [0.60, 0.60, 0.61], "no worse", "holds here"),
        # all seeds agree, but seeds differ by more than the variants
        ([0.61, 0.66, 0.71], [0.60, 0.65, 0.70], "above", "does not show at this size"),
        # the larger of both spreads counts: 0.06 against differences of 0.05
        ([0.66, 0.66, 0.66], [0.58, 0.61, 0.64], "above", "does not show at this size"),
        ([0.66, 0.66, 0.66], [0.60, 0.61, 0.62], "above", "holds here"),
        ([0.60] * 3, [0.60] * 3, "above", "does not show at this size"),
        ([0.60] * 3, [0.60] * 3, "no worse", "holds here"),
        # a training that diverged
        ([math.nan] * 3, [0.5] * 3, "above", "does not show at this size"),
        ([math.nan] * 3, [0.5] * 3, "no worse", "does not show at this size"),
        ([0.9, math.nan, 0.9], [0.5] * 3, "above", "does not show at this size"),
        ([0.5] * 3, [0.5, 0.5, math.inf], "no worse", "does not show at this size"),
    ],
)
def test_the_rule(first: list[float], second: list[float], expectation: str, expected: str) -> None:
    assert verdict(first, second, expectation) == expected  # pyright: ignore[reportArgumentType]


def test_seeds_are_paired() -> None:
    """The same numbers in another order are another finding."""
    assert verdict([0.62, 0.66, 0.64], [0.59, 0.62, 0.61], "above") == "does not show at this size"  # spread 0.04
    assert verdict([0.66, 0.67, 0.68], [0.62, 0.63, 0.64], "above") == "holds here"
    assert verdict([0.68, 0.67, 0.66], [0.62, 0.63, 0.67], "above") == "does not show at this size"


@pytest.mark.parametrize(("first", "second"), [([0.1, 0.2], [0.1]), ([0.1], [0.1])])
def test_no_verdict_on_missing_seeds(first: list[float], second: list[float]) -> None:
    with pytest.raises(ArgumentError, match=r"needs the same two or more seeds on both sides, not \d and 1 values"):
        verdict(first, second)


def test_a_comparison_reads_its_own_score() -> None:
    scores = {
        "a": [{"mean_iou": x, "checkerboard": 9 + x} for x in HIGH],
        "b": [{"mean_iou": x, "checkerboard": 1 + x} for x in LOW],
    }
    assert judged(Comparison("a", "b"), scores) == "holds here"
    assert judged(Comparison("a", "b", "below", "checkerboard"), scores) == "is reversed"
    assert spread(HIGH) == pytest.approx(0.02)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_compares_what_its_variants_are_scored_by(name: str) -> None:
    claim = CLAIMS[name]
    own = {variant.label: {"mean_iou", *variant.scores} for variant in claim.variants}
    assert claim.comparisons
    for comparison in claim.comparisons:
        assert comparison.score in SCORES
        assert comparison.score in own[comparison.first] & own[comparison.second]


def test_a_claim_without_the_compared_variant_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="is no variant"):
        replace(CLAIMS["auxiliary"], comparisons=(Comparison("with auxiliary loss", "nothing"),))
    with pytest.raises(AssertionError, match="two variants of one label"):
        replace(CLAIMS["auxiliary"], variants=CLAIMS["auxiliary"].variants * 2)
