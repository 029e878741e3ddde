"""The page of all systems on one backbone, and each system's measured lines in its own page."""

import re
from collections.abc import Mapping

from intarsia.ablations.claims_page import Evidence, cost_columns, machine, mean_and_range
from intarsia.ablations.costs import FULL_SIDE, SIDE
from intarsia.ablations.dots import Panel, Row, dot_chart
from intarsia.ablations.variant import BASE, SEEDS, Variant

PICTURE = "pictures/claims/systems.svg"
PAGE_OF = {"fcn32s": "fcn8s", "fcn16s": "fcn8s"}
_SECTION = re.compile(r"\n*## Measured here\n.*?(?=\n## |\Z)", re.DOTALL)


def systems_page(systems: Mapping[str, Variant], evidence: Evidence) -> str:
    """The page in Markdown; its picture is :func:`chart`."""
    mosaics = evidence.mosaics
    return f"""# Every system on one backbone

Each system of the catalog, trained as [the claims](claims.md) are: EfficientNet-Lite0 with ImageNet weights,
{mosaics.train // 8} steps of 8 mosaics of {mosaics.size} × {mosaics.size} pixels, seeds {", ".join(map(str, SEEDS))};
scores are held-out mean IoU and pixel accuracy in per cent: the mean over the seeds, and the smallest and the largest.
`unet_paper` has a contracting path of its own, without pretrained weights, and that costs it more than anything else
does. Rates are scaled to maps of 12 and 6 positions a side. The numbers say that every system learns; with so
few steps they rank what learns fast, not what would be best in the end.

![Every system: every seed a dot, the mean a bar]({PICTURE})

{_table(systems, evidence)}

Costs: one image of {SIDE} × {SIDE} pixels, one thread, without auxiliary heads; the last two columns are the head on
the paper's backbone at {FULL_SIDE} × {FULL_SIDE}.

Made by `intarsia bench models --out docs/systems.md` ({machine()}).
"""


def chart(systems: Mapping[str, Variant], evidence: Evidence) -> str:
    """A row a system."""
    rows = tuple(Row(name, evidence.scores(variant, "mean_iou")) for name, variant in systems.items())
    return dot_chart([Panel("mean IoU", rows)], "Mean IoU of every system, each seed", "per cent")


def with_measured(text: str, variant: Variant, evidence: Evidence) -> str:
    """A system's page with its numbers in a section at the end, in the place of older ones."""
    mosaics = evidence.mosaics
    section = (
        "## Measured here\n\n"
        f"Held-out mean IoU **{mean_and_range(evidence.scores(variant, 'mean_iou'))}**, pixel accuracy "
        f"{mean_and_range(evidence.scores(variant, 'pixel_accuracy'))} per cent over {len(SEEDS)} seeds, after "
        f"{mosaics.train // 8} steps of 8 mosaics of {mosaics.size} × {mosaics.size} pixels on "
        f"{variant.settings.get('backbone', BASE['backbone'])} ([all systems](../systems.md)):\n\n"
        f"```\n{variant.command(mosaics, f'runs/claims/{mosaics.name}')}\n```\n"
    )
    return f"{_SECTION.sub('', text).rstrip()}\n\n{section}"


def _table(systems: Mapping[str, Variant], evidence: Evidence) -> str:
    lines = [
        "| system | mean IoU | pixel accuracy | parameters | GMAC | ms | MB | full form: parameters | GMAC |",
        "|" + "---|" * 9,
    ]
    for name, variant in systems.items():
        scores = [mean_and_range(evidence.scores(variant, score)) for score in ("mean_iou", "pixel_accuracy")]
        link = f"[{name}](models/{PAGE_OF.get(name, name)}.md)"
        lines.append("| " + " | ".join([link, *scores, *cost_columns(evidence.cost(variant))]) + " |")
    return "\n".join(lines)
