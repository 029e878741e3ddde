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
from intarsia.ablations.scoring import SCORES
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

# Looked into by hand after the trainings that the page shows, on the same mosaics; the rows of controls test it
REASONS = """* **SPN and CSPN sharpen borders**, with the network or behind a frozen one, beyond the seeds' spread.
  Together they gain more, and the mean IoU gains, too; behind a frozen network a step takes less time and memory than
  training the network alone.
* **It is guidance that helps, not how far CSPN diffuses**: a single step does as well as twelve. A logit that
  FCN-32s interpolates is nearly linear within 32 pixels; the difference to one neighbour, taken several times, moves
  the border by as many pixels. In the networks of one step the factor, which is not bounded, is between 5 and 6 in the
  median and up to 20; held between 0 and 1 (seed 0), boundary F at 1 px falls from 46.8 to 24.6, where the network
  alone has 20.1. With twelve steps the factor is 0.4 to 2 in the median, and holding it costs less: 47.1 falls to 36.6.
* **SPN draws too many borders**: 1.5 times the true length (seeds 0 and 1), so that of the true contour 56 per cent is
  found within 1 px, but of its own only 38 per cent is right. It propagates at half resolution, and single squares of
  2 × 2 pixels flip; the picture shows some.
* **A fitted dense CRF behind the network is better than all of them here**: these mosaics change their brightness at
  nearly every border, which is what it looks for, and 320 steps are few to learn the same.
* **Trained inside, the dense CRF loses most of that.** The same broad settings put behind the network that was trained
  on give 88.8 and 50.3 at 1 px (seed 0) instead of 85.6 and 33.6. It is not where it begins: with the fitted settings
  the network after its first training has 86.9 and 50.9 before a single further step, and ends lower. A tenth of the
  rate helps, unevenly. [With FCN-8s](refiner.md) and that rate, training inside was as good as behind.
* **Affinity fields need a grid that can hold a border.** In FCN-32s they gain for two seeds of three and not beyond the
  spread. In FCN-8s, whose grid is four times finer, boundary F at 1 px gains for all three and beyond it. At 5 px it
  does not: more of the true contour is found (83 → 87 per cent), but more is drawn as well, 1.3 times the true length
  instead of 1.1, and less of it is right (74 → 69 per cent; means of the seeds)."""


def affinity_page(evidence: Evidence, costs: Mapping[str, AffinityCost], command: str) -> str:
    """The page in Markdown, made by a command; ``costs`` by variants' labels."""
    parts = [
        _introduction(evidence),
        f"![Every network: every seed a dot, the mean a bar]({CHART})",
        _scores(evidence),
        "## Against the same network, trained as long",
        _rule(),
        _differences(evidence),
        "## What came out, and why",
        REASONS,
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

All are scored on {mosaics.judged} mosaics of {mosaics.size} × {mosaics.size} pixels, of parts of the photographs and of
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
