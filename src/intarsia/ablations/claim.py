"""A claim of a paper, what is compared for it, and the rule by which it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import mean
from typing import Literal

from intarsia.ablations.variant import Variant
from intarsia.errors import ArgumentError

Verdict = Literal["holds here", "does not show at this size", "is reversed"]
Expectation = Literal["above", "below", "no worse"]


@dataclass(frozen=True)
class Comparison:
    """Two variants by their labels, and how the score of the first is to lie to that of the second.

    ``"no worse"`` is for scores that are better when they are larger.
    """

    first: str
    second: str
    expectation: Expectation = "above"
    score: str = "mean_iou"


@dataclass(frozen=True)
class Claim:
    """What a paper says (in our words), where, and the variants that show it."""

    title: str
    source: str
    sentence: str
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    remark: str = ""  # where the variants differ from the paper's, and why
    shows_logits: bool = False  # whether the page has a picture of what the networks answer

    def __post_init__(self) -> None:
        labels = [variant.label for variant in self.variants]
        compared = {label for comparison in self.comparisons for label in (comparison.first, comparison.second)}
        assert len(set(labels)) == len(labels), f"{self.title}: two variants of one label"
        assert compared <= set(labels), f"{self.title}: {compared - set(labels)} is no variant"


def verdict(first: Sequence[float], second: Sequence[float], expectation: Expectation = "above") -> Verdict:
    """What paired seeds of two variants say.

    A difference shows if it has the same sign for every seed and its mean exceeds the larger spread of both sides, the
    distance from a side's smallest to its largest value. "no worse" holds unless the first shows below the second: with
    three seeds that is a weak sentence, and it is asked only where the paper itself says so. A score that is no number,
    as a training gives that diverges, shows nothing.

    Raises:
        ArgumentError: the sides have not the same seeds, or fewer than two.

    >>> verdict([0.66, 0.67, 0.66], [0.61, 0.62, 0.60]), verdict([0.66, 0.67, 0.66], [0.66, 0.65, 0.67])
    ('holds here', 'does not show at this size')
    """
    if len(first) != len(second) or len(first) < 2:
        raise ArgumentError(
            f"A verdict needs the same two or more seeds on both sides, not {len(first)} and {len(second)} values; "
            "train what is missing."
        )
    if not all(map(isfinite, (*first, *second))):
        return "does not show at this size"
    differences = [one - other for one, other in zip(first, second, strict=True)]
    sign = 1 if mean(differences) > 0 else -1
    shows = all(sign * d > 0 for d in differences) and abs(mean(differences)) > max(spread(first), spread(second))
    if expectation == "no worse":
        return "is reversed" if shows and sign < 0 else "holds here"
    if not shows:
        return "does not show at this size"
    return "holds here" if (sign > 0) == (expectation == "above") else "is reversed"


def spread(values: Sequence[float]) -> float:
    """From the smallest to the largest."""
    return max(values) - min(values)


def judged(comparison: Comparison, scores: Mapping[str, Sequence[Mapping[str, float]]]) -> Verdict:
    """The verdict on one comparison; ``scores`` of each variant, by its label, seed by seed."""
    first, second = (
        [of_seed[comparison.score] for of_seed in scores[label]] for label in (comparison.first, comparison.second)
    )
    return verdict(first, second, comparison.expectation)
