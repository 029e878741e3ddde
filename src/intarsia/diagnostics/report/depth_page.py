"""The report on a run that completes depths: one self-contained HTML page, in the manner of the one on masks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from intarsia.diagnostics.report import depth_sections, sections
from intarsia.diagnostics.report.depth_pictures import DepthExample
from intarsia.diagnostics.report.page import write_page
from intarsia.diagnostics.report.template import PAGE
from intarsia.errors import ArgumentError
from intarsia.metrics.depth import DepthScores

_LIMIT = 2.0  # root mean squares of the error: beyond lie the few pixels at edges


@dataclass(frozen=True, eq=False)
class DepthPage:
    """All that the page says.

    Args:
        title: the page's heading.
        sentence: what was done, in a sentence or two.
        facts: pairs of a label and a value.
        history: one dict an epoch: ``epoch``, ``loss``, ``rmse``, and whatever else belongs into the hover text.
        scores: by name, the network's first, then those of simpler methods on the same measurements.
        examples: pictures with their depths.
        commands: what repeats this run, a line each.

    Raises:
        ArgumentError: there are no scores, or the image and depths of an example differ in size.
    """

    title: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    history: Sequence[Mapping[str, float]]
    scores: Mapping[str, DepthScores]
    examples: Sequence[DepthExample]
    commands: Sequence[str]

    def __post_init__(self) -> None:
        if not self.scores:
            raise ArgumentError("`scores` must hold those of the network at least, and is empty.")
        for example in self.examples:
            sizes = {example.image.shape[:2], example.measured.shape, example.truth.shape, example.prediction.shape}
            if len(sizes) > 1:
                raise ArgumentError(
                    f"The image and depths of example `{example.name}` must have one size, not {sizes}."
                )


def write_depth_report(path: str | Path, page: DepthPage) -> None:
    """Write the page to ``path``, whole or not at all; it needs nothing but itself."""
    write_page(path, render_depth(page))


def render_depth(page: DepthPage) -> str:
    """The page as HTML text."""
    best = depth_sections.best_fill(page.scores)
    reference = None if best is None else (f"{best} fill", page.scores[best].rmse)
    worst_first = sorted(page.examples, key=lambda e: -math.inf if math.isnan(e.rmse) else e.rmse, reverse=True)
    limit = _LIMIT * next(iter(page.scores.values())).rmse
    body = [
        depth_sections.headline(page.scores),
        depth_sections.learning_curve(page.history, reference),
        depth_sections.methods(page.scores),
        depth_sections.by_distance(page.scores),
        depth_sections.examples(worst_first, limit if 0 < limit < math.inf else 1.0),
        sections.facts(page.facts),
        sections.commands(page.commands),
    ]
    return PAGE.substitute(
        title=escape(page.title), sentence=escape(page.sentence), body="\n".join(part for part in body if part)
    )
