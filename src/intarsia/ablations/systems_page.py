"""The page of all systems on one backbone, and each system's measured lines in its own page."""

import re
from collections.abc import Mapping

from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.evidence import COST_HEADS, COST_NOTE, Evidence, cost_columns, table
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.systems import SYSTEMS
from intarsia.ablations.variant import BASE, SEEDS, Variant

PICTURE = "pictures/claims/systems.svg"
PAGE_OF = {"fcn32s": "fcn8s", "fcn16s": "fcn8s"}
_SHOWN = ("mean_iou", "pixel_accuracy")
_SECTION = re.compile(r"\n*## Measured here\n.*?(?=\n\n## |\Z)", re.DOTALL)


def systems_page(systems: Mapping[str, Variant], evidence: Evidence, command: str) -> str:
    """The page in Markdown, made by a command; its picture is :func:`chart`."""
    mosaics, batch = evidence.mosaics, BASE["batch_size"]
    seeds = ", ".join(map(str, SEEDS))
    every = len(systems) == len(SYSTEMS)
    title = "Every system" if every else f"{len(systems)} of {len(SYSTEMS)} systems"
    which = "Each system of the catalog" if every else "Systems that the command below names"
    return f"""# {title} on one backbone

{which}, trained as [the claims](claims.md) are: EfficientNet-Lite0 with ImageNet weights,
{mosaics.train // batch} steps of {batch} mosaics of {mosaics.size} × {mosaics.size} pixels, seeds {seeds}.
Scores are on held-out mosaics, in per cent: the mean over the seeds, and the smallest and the largest. `unet_paper` has
a contracting path of its own, without pretrained weights, which costs it more than anything else does. Rates are scaled
to maps of 12 and 6 positions a side. The numbers say that every system learns; after so few steps they rank what learns
fast, not what would be best in the end.

![Every system: every seed a dot, the mean a bar]({PICTURE})

{_scores_and_costs(systems, evidence)}

{COST_NOTE}

Made by `{command}` ({evidence.taken_with}).
"""


def chart(systems: Mapping[str, Variant], evidence: Evidence) -> str:
    """A row a system."""
    rows = tuple(Row(name, evidence.scores(variant, "mean_iou")) for name, variant in systems.items())
    return dot_chart([Panel("mean IoU", rows)], "Mean IoU of every system, each seed", "per cent")


def with_measured(text: str, variant: Variant, evidence: Evidence) -> str:
    """A system's page with its numbers in a section of their own, in the place of older ones."""
    mosaics, batch = evidence.mosaics, BASE["batch_size"]
    mean_iou, accuracy = (evidence.written(variant, name) for name in _SHOWN)
    section = (
        "## Measured here\n\n"
        f"Held-out mean IoU **{mean_iou}**, pixel accuracy {accuracy} per cent (smallest and largest of {len(SEEDS)} "
        f"seeds), after {mosaics.train // batch} steps of {batch} mosaics of {mosaics.size} × {mosaics.size} pixels "
        f"([all systems](../systems.md)):\n\n"
        f"```\n{variant.command(mosaics, f'runs/claims/{mosaics.name}')}\n```\n"
    )
    return f"{_SECTION.sub('', text).rstrip()}\n\n{section}"


def _scores_and_costs(systems: Mapping[str, Variant], evidence: Evidence) -> str:
    rows = [
        [
            f"[{name}](models/{PAGE_OF.get(name, name)}.md)",
            *(evidence.written(variant, score) for score in _SHOWN),
            *cost_columns(evidence.cost(variant)),
        ]
        for name, variant in systems.items()
    ]
    return table(["system", *(SCORES[name].title for name in _SHOWN), *COST_HEADS], rows)
