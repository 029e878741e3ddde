"""The page of the claims: what was said, what came out, and a verdict by the rule."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intarsia.ablations.claim import Claim, Comparison, Verdict, judged
from intarsia.ablations.costs import FULL_SIDE, SIDE, Cost
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.trials import Result
from intarsia.ablations.variant import SEEDS, Mosaics, Variant

PICTURES = "pictures/claims"
NAMES = {
    "mean_iou": "mean IoU",
    "mean_iou_at_0.5": "mean IoU, objects half as large",
    "mean_iou_at_2": "mean IoU, objects twice as large",
}


@dataclass(frozen=True)
class Evidence:
    """What was measured of the variants, by their keys."""

    mosaics: Mosaics
    results: Mapping[str, Sequence[Result]]
    costs: Mapping[str, Cost]

    def scores(self, variant: Variant, name: str) -> tuple[float, ...]:
        """In per cent, seed by seed."""
        return tuple(100 * result.scores[name] for result in self.results[variant.key(self.mosaics)])

    def cost(self, variant: Variant) -> Cost:
        """Of a variant's network."""
        return self.costs[variant.key(self.mosaics)]

    def verdicts(self, claim: Claim) -> list[tuple[Comparison, Verdict]]:
        """Each comparison of a claim, judged."""
        scores = {v.label: [r.scores for r in self.results[v.key(self.mosaics)]] for v in claim.variants}
        return [(comparison, judged(comparison, scores)) for comparison in claim.comparisons]


def claims_page(claims: Mapping[str, Claim], evidence: Evidence) -> str:
    """The page in Markdown; its pictures are those of :func:`pictures`."""
    sections = [_section(name, claim, evidence) for name, claim in claims.items()]
    return "\n\n".join([_introduction(evidence.mosaics), _summary(claims, evidence), *sections]) + "\n"


def pictures(claims: Mapping[str, Claim], evidence: Evidence) -> dict[str, str]:
    """The charts by their file names."""
    return {f"{name}.svg": _chart(claim, evidence) for name, claim in claims.items()}


def _introduction(mosaics: Mosaics) -> str:
    return f"""# The papers' claims, measured

Each claim below is what a paper says one of its parts is good for, in our words. For each, the same small network is
trained with the part and without it, and the difference is judged by one rule.

* **Trainings.** EfficientNet-Lite0 with ImageNet weights under every head; {mosaics.train // 8} steps of 8 mosaics of
  {mosaics.size} × {mosaics.size} pixels from `sample:materials`' photographs, no image seen twice; AdamW, float32, one
  thread; seeds {", ".join(map(str, SEEDS))}, each of which fixes new weights, order and augmentation for all variants
  alike. Scores are in per cent, on {mosaics.val} mosaics from parts of the photographs that no training sees.
* **The rule.** A difference shows if it has the same sign for all {len(SEEDS)} seeds and its mean exceeds the larger
  spread of both sides, from a side's smallest to its largest score. Then the claim *holds here* or *is reversed*;
  otherwise it *does not show at this size*. Where the paper itself says that two variants are alike, that holds where
  no difference shows, which is a weak sentence with {len(SEEDS)} seeds.
* **What it is not.** The papers train for days on photographs of streets and living rooms. These trainings take a
  minute or two each; that a claim does not show here says little about it, and that it shows says that it does not
  need size.
* **Costs** are of one image of {SIDE} × {SIDE} pixels, one thread, without auxiliary heads: parameters, 10⁹
  multiply-adds, the shortest of several forward passes, and the memory that a pass takes at most beside the weights.
  The last two columns are the same head on the paper's backbone at {FULL_SIDE} × {FULL_SIDE}.

Made by `intarsia bench claims --out docs/claims.md` ({machine()})."""


def machine() -> str:
    """Where the numbers were taken."""
    import torch

    return f"torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores"


def _summary(claims: Mapping[str, Claim], evidence: Evidence) -> str:
    lines = ["| claim | compared | difference | verdict |", "|---|---|---|---|"]
    for name, claim in claims.items():
        for place, (comparison, verdict) in enumerate(evidence.verdicts(claim)):
            link = f"[{claim.title}](#{_anchor(claim.title)})" if place == 0 else ""
            difference = _mean(_differences(claim, comparison, evidence))
            lines.append(f"| {link} | {_compared(comparison)} | {difference:+.1f} | {_bold(verdict)} |")
        assert claim.comparisons, name
    return "\n".join(lines)


def _section(name: str, claim: Claim, evidence: Evidence) -> str:
    parts = [
        f"## {claim.title}",
        f"{claim.sentence}\n*{claim.source}*",
        *([claim.remark] if claim.remark else []),
        f"![{claim.title}: every seed a dot, the mean a bar]({PICTURES}/{name}.svg)",
        _table(claim, evidence),
        "\n".join(_sentence(claim, comparison, verdict, evidence) for comparison, verdict in evidence.verdicts(claim)),
        _commands(claim, evidence.mosaics),
    ]
    return "\n\n".join(parts)


def _table(claim: Claim, evidence: Evidence) -> str:
    names = _scores_of(claim)
    head = [NAMES[name] for name in names]
    costs = ["parameters", "GMAC", "ms", "MB", "full form: parameters", "GMAC"]
    lines = ["| " + " | ".join(["", *head, *costs]) + " |", "|" + "---|" * (1 + len(head) + len(costs))]
    for variant in claim.variants:
        scores = [mean_and_range(evidence.scores(variant, name)) for name in names]
        lines.append("| " + " | ".join([variant.label, *scores, *cost_columns(evidence.cost(variant))]) + " |")
    return "\n".join(lines)


def cost_columns(cost: Cost) -> list[str]:
    """Parameters, GMAC, milliseconds and megabytes; of the full form parameters and GMAC."""
    memory = "–" if cost.megabytes is None else f"{cost.megabytes:.0f}"
    return [
        f"{cost.parameters / 1e6:.2f} M",
        f"{cost.gmac:.2f}",
        f"{cost.milliseconds:.0f}",
        memory,
        f"{cost.full_parameters / 1e6:.1f} M ({cost.full_backbone})",
        f"{cost.full_gmac:.1f}",
    ]


def _sentence(claim: Claim, comparison: Comparison, verdict: Verdict, evidence: Evidence) -> str:
    differences = _differences(claim, comparison, evidence)
    seeds = ", ".join(f"{difference:+.1f}" for difference in differences)
    return f"* {_compared(comparison)}: {_mean(differences):+.1f} (seeds {seeds}). {_spoken(verdict)}"


def _spoken(verdict: Verdict) -> str:
    return f"The claim **{verdict}**."


def _bold(verdict: Verdict) -> str:
    return verdict if verdict == "does not show at this size" else f"**{verdict}**"


def _compared(comparison: Comparison) -> str:
    relation = {"above": "above", "below": "below", "alike": "like"}[comparison.expectation]
    score = "" if comparison.score == "mean_iou" else f" ({NAMES[comparison.score]})"
    return f"{comparison.first} {relation} {comparison.second}{score}"


def _differences(claim: Claim, comparison: Comparison, evidence: Evidence) -> list[float]:
    of = {variant.label: evidence.scores(variant, comparison.score) for variant in claim.variants}
    return [one - other for one, other in zip(of[comparison.first], of[comparison.second], strict=True)]


def _chart(claim: Claim, evidence: Evidence) -> str:
    panels = [
        Panel(NAMES[name], tuple(Row(variant.label, evidence.scores(variant, name)) for variant in claim.variants))
        for name in _scores_of(claim)
    ]
    return dot_chart(panels, f"{claim.title}: {NAMES['mean_iou']} of each seed", "per cent")


def _scores_of(claim: Claim) -> list[str]:
    """The mean IoU, and what else is compared."""
    return sorted({"mean_iou", *(comparison.score for comparison in claim.comparisons)}, key=list(NAMES).index)


def _commands(claim: Claim, mosaics: Mosaics) -> str:
    commands = "\n".join(variant.command(mosaics, f"runs/claims/{mosaics.name}") for variant in claim.variants)
    return f"<details><summary>The trainings</summary>\n\n```\n{commands}\n```\n\n</details>"


def mean_and_range(values: Sequence[float]) -> str:
    """Such as ``46.6 (45.9–47.1)``.

    >>> mean_and_range([45.9, 47.1, 46.8])
    '46.6 (45.9–47.1)'
    """
    return f"{_mean(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
