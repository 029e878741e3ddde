"""What was measured, and how a number of it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from intarsia.ablations.claim import Claim, Comparison, Verdict, judged
from intarsia.ablations.costs import FULL_SIDE, SIDE, Cost
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.variant import Variant
from intarsia.ablations.work import Result

COST_HEADS = ("parameters", "GMAC", "ms", "MB", "full form: parameters", "GMAC")
COST_NOTE = (
    f"Costs are of one image of {SIDE} × {SIDE} pixels, one thread, without auxiliary heads: parameters, 10⁹\n"
    "multiply-adds, milliseconds of a forward pass (the least of several), and megabytes that one in training\n"
    "keeps for the backward pass. The last two columns are the same head on the model's default backbone at\n"
    f"{FULL_SIDE} × {FULL_SIDE}."
)


@dataclass(frozen=True)
class Evidence:
    """Results and costs of the variants, by their keys."""

    mosaics: Mosaics
    results: Mapping[str, Sequence[Result]]
    costs: Mapping[str, Cost]

    @property
    def taken_with(self) -> str:
        """What the results say they were taken with; not what runs now, which may only read them."""
        said = {result.taken_with for results in self.results.values() for result in results}
        return "; ".join(sorted(each or "results of older versions, which do not say" for each in said))

    def scores(self, variant: Variant, name: str) -> tuple[float, ...]:
        """In the score's unit, seed by seed."""
        return tuple(SCORES[name].factor * result.scores[name] for result in self.results[variant.key(self.mosaics)])

    def written(self, variant: Variant, name: str) -> str:
        """The mean over the seeds, the smallest and the largest."""
        return mean_and_range(self.scores(variant, name), SCORES[name].decimals)

    def cost(self, variant: Variant) -> Cost:
        """Of a variant's network."""
        return self.costs[variant.key(self.mosaics)]

    def verdicts(self, claim: Claim) -> list[tuple[Comparison, Verdict]]:
        """Each comparison of a claim, judged."""
        scores = {v.label: [r.scores for r in self.results[v.key(self.mosaics)]] for v in claim.variants}
        return [(comparison, judged(comparison, scores)) for comparison in claim.comparisons]

    def differences(self, claim: Claim, comparison: Comparison) -> tuple[str, list[str]]:
        """First minus second: the mean, and seed by seed."""
        of = {variant.label: variant for variant in claim.variants}
        sides = (self.scores(of[label], comparison.score) for label in (comparison.first, comparison.second))
        differences = [one - other for one, other in zip(*sides, strict=True)]
        decimals = SCORES[comparison.score].decimals
        return f"{mean(differences):+.{decimals}f}", [f"{each:+.{decimals}f}" for each in differences]


def mean_and_range(values: Sequence[float], decimals: int = 1) -> str:
    """As a table shows several seeds.

    >>> mean_and_range([45.9, 47.1, 46.8])
    '46.6 (45.9–47.1)'
    """
    return f"{mean(values):.{decimals}f} ({min(values):.{decimals}f}–{max(values):.{decimals}f})"


def cost_columns(cost: Cost) -> list[str]:
    """Under :data:`COST_HEADS`."""
    return [
        f"{cost.parameters / 1e6:.2f} M",
        f"{cost.gmac:.2f}",
        f"{cost.milliseconds:.0f}",
        f"{cost.megabytes:.0f}",
        f"{cost.full_parameters / 1e6:.1f} M ({cost.full_backbone})",
        f"{cost.full_gmac:.1f}",
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])
