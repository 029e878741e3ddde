"""The page of what was asked of training: what came out, each question with a chart."""

from collections.abc import Mapping, Sequence

from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import Evidence, table
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.training import STEPS, Question
from intarsia.ablations.variant import BASE, SEEDS, Variant

PICTURES = "pictures/training"
RELATIONS = {"above": ">", "below": "<", "no worse": "≥"}


def training_page(questions: Sequence[Question], evidence: Mapping[str, Evidence], command: str) -> str:
    """The page in Markdown; ``evidence`` by the questions' names."""
    parts = [
        _introduction(questions, evidence),
        _summary(questions, evidence),
        *(_section(question, evidence[question.name]) for question in questions),
        f"Made by `{command}` ({evidence[questions[0].name].taken_with}).",
    ]
    return "\n\n".join(parts) + "\n"


def chart(question: Question, evidence: Evidence) -> str:
    """A panel a score, a row a variant."""
    panels = [
        Panel(SCORES[score].title, tuple(Row(v.label, evidence.scores(v, score)) for v in question.claim.variants))
        for score in question.scores
    ]
    return dot_chart(panels, f"{question.claim.title}: each seed", "per cent")


def _introduction(questions: Sequence[Question], evidence: Mapping[str, Evidence]) -> str:
    mosaics = questions[0].mosaics
    judged = sorted({question.mosaics.judged for question in questions})
    minutes = [
        result.seconds / 60 * (1 if variant.processes > 1 else 0.5)
        for question in questions
        for variant in question.claim.variants
        for result in evidence[question.name].results[variant.key(question.mosaics)]
    ]
    return f"""# Training, measured

What is it worth to train [at full strength](training.md)? Each question below is tried with small trainings: the same
network, images and order, one setting changed.

* **Trainings.** EfficientNet-Lite0 with ImageNet weights under every head; {STEPS} steps of {BASE["batch_size"]}
  mosaics of {mosaics.size} × {mosaics.size} pixels from the photographs of `sample:materials`; AdamW, float32, one
  thread, the rate falling from {BASE["learning_rate"]:g}; seeds {", ".join(map(str, SEEDS))}. The
  {len(minutes)} trainings took {sum(minutes):.0f} minutes, two at a time, by their own clocks.
* **Scores** are in per cent, over all pixels of {" or, for rare classes, ".join(map(str, judged))} other mosaics, of
  parts of the photographs and of patterns that no training saw: the mean over the seeds, the smallest and the largest.
* **The rule** is that of [the claims](claims.md): a difference shows if it has the same sign for all {len(SEEDS)} seeds
  and its mean exceeds the larger spread of both sides. Then what is said *holds here* or *is reversed*; otherwise it
  *does not show at this size*."""


def _summary(questions: Sequence[Question], evidence: Mapping[str, Evidence]) -> str:
    rows = []
    for question in questions:
        link = f"[{question.claim.title}](#{question.claim.title.lower().replace(' ', '-')})"
        for comparison, verdict in evidence[question.name].verdicts(question.claim):
            difference, seeds = evidence[question.name].differences(question.claim, comparison)
            compared = f"{comparison.first} {RELATIONS[comparison.expectation]} {comparison.second}"
            shown = verdict if verdict.startswith("does not") else f"**{verdict}**"
            rows.append([link, compared, SCORES[comparison.score].title, difference, ", ".join(seeds), shown])
            link = ""
    return table(["", "compared", "score", "difference", "each seed", "verdict"], rows)


def _section(question: Question, evidence: Evidence) -> str:
    claim = question.claim
    heads = ["", *(SCORES[name].title for name in question.scores), "minutes a training"]
    rows = [
        [v.label, *(evidence.written(v, name) for name in question.scores), _minutes(v, evidence)]
        for v in claim.variants
    ]
    return "\n\n".join(
        [
            f"## {claim.title}",
            f"{claim.sentence}\n*{claim.source}*",
            claim.remark,
            f"![{claim.title}: every seed a dot, the mean a bar]({PICTURES}/{question.name}.svg)",
            table(heads, rows),
            _trainings(question, evidence.mosaics),
        ]
    )


def _minutes(variant: Variant, evidence: Evidence) -> str:
    results = evidence.results[variant.key(evidence.mosaics)]
    return f"{sum(result.seconds for result in results) / len(results) / 60:.1f}"


def _trainings(question: Question, mosaics: Mosaics) -> str:
    """As they are typed."""
    data = f"runs/claims/{mosaics.name}"
    blocks = []
    for variant in question.claim.variants:
        file = variant.stages_file(data)
        blocks.append(variant.command(mosaics, data) + (f"\n\n# STAGES.toml\n{file}\n" if file else ""))
    return "<details><summary>The trainings</summary>\n\n```\n" + "\n".join(blocks) + "\n```\n\n</details>"
