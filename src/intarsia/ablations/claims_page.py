"""The page of the claims: what was said, what came out, and a verdict by the rule."""

from collections.abc import Mapping

from intarsia.ablations.claim import Claim, Comparison, Verdict
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import COST_HEADS, COST_NOTE, Evidence, cost_columns, table
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.variant import BASE, SEEDS

PICTURES = "pictures/claims"


def claims_page(claims: Mapping[str, Claim], evidence: Evidence, command: str) -> str:
    """The page in Markdown, made by a command; its pictures are those of :func:`pictures`."""
    sections = [_section(name, claim, evidence) for name, claim in claims.items()]
    return "\n\n".join([_introduction(evidence, command), _summary(claims, evidence), *sections]) + "\n"


def pictures(claims: Mapping[str, Claim], evidence: Evidence) -> dict[str, str]:
    """The charts by their file names, one for each unit that a claim's scores have."""
    charts: dict[str, str] = {}
    for name, claim in claims.items():
        for unit, scores in _by_unit(claim).items():
            panels = [
                Panel(SCORES[score].title, tuple(Row(v.label, evidence.scores(v, score)) for v in claim.variants))
                for score in scores
            ]
            titles = ", ".join(panel.title for panel in panels)
            chart = dot_chart(panels, f"{claim.title}: {titles}, each seed", unit, SCORES[scores[0]].decimals)
            charts[_file(name, scores)] = chart
    return charts


def _introduction(evidence: Evidence, command: str) -> str:
    mosaics, batch = evidence.mosaics, BASE["batch_size"]
    steps = mosaics.train // batch
    return f"""# The papers' claims, measured

Each claim below is what a paper says one of its parts is good for, in our words. For each, the same small network is
trained with the part and without it, and the difference is judged by one rule.

* **Trainings.** EfficientNet-Lite0 with ImageNet weights under every head; {steps} steps of {batch} mosaics of
  {mosaics.size} × {mosaics.size} pixels from the photographs of `sample:materials`, no image seen twice; AdamW,
  float32, one thread; seeds {", ".join(map(str, SEEDS))}, each of which fixes new weights, order and augmentation for
  all variants alike. Scores are in per cent, on {mosaics.val} mosaics from parts of the photographs that no training
  sees: the mean over the seeds, and the smallest and the largest.
* **The rule.** A difference shows if it has the same sign for all {len(SEEDS)} seeds and its mean exceeds the larger
  spread of both sides, from a side's smallest to its largest score. Then the claim *holds here* or *is reversed*;
  otherwise it *does not show at this size*. Where the paper says that a variant is no worse than another (≥), that
  holds unless it shows to be worse: a weak sentence with {len(SEEDS)} seeds.
* **Again, by hand.** The command makes the mosaics in `runs/claims/{mosaics.name}`; each training is an
  `intarsia train` on them, written below its claim, and leaves a run there that every other command takes.
* **What it is not.** The papers train for days on photographs of streets and rooms, these trainings take a minute or
  two. That a claim does not show here says little about it; that it shows says that it does not need size. What is new
  in a network is learned in {steps} steps: a part that brings many new weights, or begins at zero, is behind.
* {COST_NOTE.replace(chr(10), chr(10) + "  ").replace("Costs are", "**Costs** are")}

Made by `{command}` ({evidence.taken_with})."""


def _summary(claims: Mapping[str, Claim], evidence: Evidence) -> str:
    rows = []
    for claim in claims.values():
        link = f"[{claim.title}](#{_anchor(claim.title)})"
        for comparison, verdict in evidence.verdicts(claim):
            difference, _ = evidence.differences(claim, comparison)
            rows.append([link, _compared(comparison), difference, _bold(verdict)])
            link = ""
    return table(["claim", "compared", "difference", "verdict"], rows)


def _section(name: str, claim: Claim, evidence: Evidence) -> str:
    charts = [
        f"![{claim.title}: every seed a dot, the mean a bar]({PICTURES}/{_file(name, scores)})"
        for scores in _by_unit(claim).values()
    ]
    parts = [
        f"## {claim.title}",
        f"{claim.sentence}\n*{claim.source}*",
        *([claim.remark] if claim.remark else []),
        *charts,
        *([_answers(name, claim)] if claim.shows_logits else []),
        _scores_and_costs(claim, evidence),
        "\n".join(_sentence(claim, comparison, verdict, evidence) for comparison, verdict in evidence.verdicts(claim)),
        _commands(claim, evidence.mosaics),
    ]
    return "\n\n".join(parts)


def _answers(name: str, claim: Claim) -> str:
    labels = "; ".join(variant.label for variant in claim.variants)
    return (
        f"![A part of a mosaic and what each network answers there]({PICTURES}/{logits_file(name)})\n\n"
        f"*The middle of a validation mosaic, and each network's logit of what lies there mostly, in grey, "
        f"seed {SEEDS[0]}; from left to right: {labels}.*"
    )


def logits_file(name: str) -> str:
    """Of the picture of a claim's networks."""
    return f"{name}_logits.png"


def _scores_and_costs(claim: Claim, evidence: Evidence) -> str:
    names = _scores_of(claim)
    rows = [
        [
            variant.label,
            *(evidence.written(variant, name) for name in names),
            *cost_columns(evidence.cost(variant)),
        ]
        for variant in claim.variants
    ]
    return table(["", *(SCORES[name].title for name in names), *COST_HEADS], rows)


def _sentence(claim: Claim, comparison: Comparison, verdict: Verdict, evidence: Evidence) -> str:
    difference, seeds = evidence.differences(claim, comparison)
    return f"* {_compared(comparison)}: {difference} (seeds {', '.join(seeds)}). The claim **{verdict}**."


def _bold(verdict: Verdict) -> str:
    return verdict if verdict == "does not show at this size" else f"**{verdict}**"


def _compared(comparison: Comparison) -> str:
    relation = {"above": ">", "below": "<", "no worse": "≥"}[comparison.expectation]
    score = "" if comparison.score == "mean_iou" else f" ({SCORES[comparison.score].title})"
    return f"{comparison.first} {relation} {comparison.second}{score}"


def _scores_of(claim: Claim) -> list[str]:
    """The mean IoU, and what else is compared."""
    return sorted({"mean_iou", *(comparison.score for comparison in claim.comparisons)}, key=list(SCORES).index)


def _by_unit(claim: Claim) -> dict[str, list[str]]:
    """A claim's scores, those of one unit together."""
    units: dict[str, list[str]] = {}
    for name in _scores_of(claim):
        units.setdefault(SCORES[name].unit, []).append(name)
    return units


def _file(name: str, scores: list[str]) -> str:
    """Of a chart: the claim's name, and the score's where that has a unit of its own."""
    return f"{name}.svg" if "mean_iou" in scores else f"{name}_{scores[0]}.svg"


def _commands(claim: Claim, mosaics: Mosaics) -> str:
    commands = "\n".join(variant.command(mosaics, f"runs/claims/{mosaics.name}") for variant in claim.variants)
    return f"<details><summary>The trainings</summary>\n\n```\n{commands}\n```\n\n</details>"


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
