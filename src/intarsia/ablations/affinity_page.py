"""The page of learned affinities: what each is worth to one coarse network, and what it costs."""

from collections.abc import Mapping

from intarsia.ablations.affinity import (
    AAF,
    AFFINITY,
    AGAINST,
    CRF,
    CSPN,
    CSPN_ALONE,
    FIRST_EPOCHS,
    FITTED,
    LONGER,
    MORE_EPOCHS,
    SCORED,
    SPN,
    SPN_ALONE,
)
from intarsia.ablations.affinity_costs import AffinityCost
from intarsia.ablations.claim import Comparison
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import Evidence, table
from intarsia.ablations.scoring import JUDGED_ON, SCORES
from intarsia.ablations.trials import CHOSEN_ON
from intarsia.ablations.variant import BASE, SEEDS, Variant

CHART, PICTURE = "pictures/claims/affinity.svg", "pictures/claims/affinity_borders.png"
CHARTED = ("unseen_mean_iou", "boundary_f_1", "boundary_f_3")
SHOWN = {  # in the picture, whose titles have little room
    "no refiner": LONGER,
    "dense CRF behind": FITTED,
    "dense CRF, trained": CRF,
    "SPN, network frozen": SPN_ALONE,
    "SPN, together": SPN,
    "CSPN, network frozen": CSPN_ALONE,
    "CSPN, together": CSPN,
    "AAF": AAF,
}


def affinity_page(evidence: Evidence, costs: Mapping[str, AffinityCost], command: str) -> str:
    """The page in Markdown, made by a command; ``costs`` by variants' labels."""
    parts = [
        _introduction(evidence),
        f"![Every network: every seed a dot, the mean a bar]({CHART})",
        _scores(evidence),
        "## Against the same network, trained as long",
        _rule(),
        _differences(evidence),
        "## One border under each",
        f"![A part of a mosaic, its truth, and what each network answers there]({PICTURE})",
        f"*The part with the longest border of the first of these mosaics, seed {SEEDS[0]}; the true border in white.*",
        "## What it costs",
        _costs(costs, evidence.mosaics.size),
        _commands(evidence),
        f"Made by `{command}` ({evidence.taken_with}).",
    ]
    return "\n\n".join(parts) + "\n"


def chart(evidence: Evidence) -> str:
    """A panel a score, a row a variant."""
    panels = [
        Panel(SCORES[name].title, tuple(Row(v.label, evidence.scores(v, name)) for v in AFFINITY.variants))
        for name in CHARTED
    ]
    return dot_chart(panels, "Mean IoU and boundary F of every network, each seed", "per cent")


def _introduction(evidence: Evidence) -> str:
    mosaics, batch = evidence.mosaics, BASE["batch_size"]
    steps, more = (mosaics.train // batch * epochs for epochs in (FIRST_EPOCHS, MORE_EPOCHS))
    return f"""# Learned affinity, measured

An affinity says how alike two pixels are. Three ways of learning one, each turned on by a word:

```
intarsia train photos/ --refiner spn            # propagate the answer along rows and columns
intarsia train photos/ --refiner cspn           # let it diffuse, step by step, to the pixels beside
intarsia train photos/ --loss cross_entropy+aaf # neighbours of one class shall be predicted alike, others unlike
```

What are they worth to a network whose borders are coarse? FCN-32s on EfficientNet-Lite0 with ImageNet weights, which
answers at every 32nd pixel and interpolates, learns `sample:materials` for {steps} steps of {batch} crops of
128 × 128 pixels. From these weights it is trained on for {more} steps more, on the same crops in the same order: as it
is; with a refiner, together with the network or alone; with another loss. Behind what was trained on as it is a dense
CRF is put, its settings fitted on {CHOSEN_ON} mosaics and accepted by as many others, as `intarsia refine --fit` does.
Affinity fields are tried in FCN-8s, too, whose answer has a finer grid to change.

All are scored on {JUDGED_ON} mosaics of {mosaics.size} × {mosaics.size} pixels, of parts of the photographs and of
patterns that neither a training nor a choice of settings or weights saw. Learning rate, lengths and the loss's stride
and weight were chosen on mosaics of another seed. Scores are in per cent, the mean over the seeds
{", ".join(map(str, SEEDS))}, the smallest and the largest; boundary F is that of `intarsia evaluate --boundary`."""


def _scores(evidence: Evidence) -> str:
    rows = [[v.label, *(evidence.written(v, name) for name in SCORED)] for v in AFFINITY.variants]
    return table(["", *(SCORES[name].title for name in SCORED)], rows)


def _rule() -> str:
    return (
        f"The difference of the same seeds: its mean, and seed by seed. It **shows** if it has the same sign for all "
        f"{len(SEEDS)}\nseeds and its mean exceeds the larger spread of both sides, from a side's smallest to its "
        "largest score."
    )


def _differences(evidence: Evidence) -> str:
    verdicts = dict(evidence.verdicts(AFFINITY))
    rows = [
        [method.label, *(_difference(evidence, verdicts, method, name) for name in SCORED)] for method, _ in AGAINST
    ]
    return table(["", *(SCORES[name].title for name in SCORED)], rows)


def _difference(evidence: Evidence, verdicts: Mapping[Comparison, str], method: Variant, score: str) -> str:
    comparison = next(c for c in verdicts if (c.first, c.score) == (method.label, score))
    difference, seeds = evidence.differences(AFFINITY, comparison)
    shown = difference if verdicts[comparison].startswith("does not") else f"**{difference}**"
    return f"{shown} ({', '.join(seeds)})"


def _costs(costs: Mapping[str, AffinityCost], size: int) -> str:
    heads = ["", "parameters", "ms a prediction", "ms a training step", "MB kept for its backward pass"]
    base = costs[LONGER.label]
    rows = []
    for variant in SHOWN.values():
        cost = costs[variant.label]
        rows.append(
            [
                variant.label,
                f"{cost.parameters / 1e6:.3f} M",
                _beside(cost.prediction_ms, base.prediction_ms),
                _beside(cost.step_ms, base.step_ms),
                _beside(cost.kept_mb, base.kept_mb),
            ]
        )
    note = (
        f"One thread, all in turns in one process, processor time, the least of several: one mosaic of {size} × {size} "
        f"pixels predicted,\nand a step of {BASE['batch_size']} crops of 128 × 128 with the optimiser's; in brackets "
        "how many times as much as without."
    )
    return f"{note}\n\n{table(heads, rows)}"


def _beside(value: float | None, base: float | None) -> str:
    if value is None or base is None:
        return "–"
    return f"{value:.0f}" if value == base else f"{value:.0f} ({value / base:.2f} ×)"


def _commands(evidence: Evidence) -> str:
    data = f"runs/claims/{evidence.mosaics.name}"
    commands = [
        v.command(evidence.mosaics, data).replace("--out RUN", f"--out {'RUN' if v.after else 'FIRST'}")
        for v in AFFINITY.variants
        if not v.fitted
    ]
    return "<details><summary>The trainings</summary>\n\n```\n" + "\n".join(commands) + "\n```\n\n</details>"
