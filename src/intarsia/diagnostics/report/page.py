"""A run's report: one self-contained HTML page that says what was done, how good it is and where it fails."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from intarsia.data import Classes
from intarsia.diagnostics.report import sections
from intarsia.diagnostics.report.pictures import Example
from intarsia.diagnostics.report.template import PAGE
from intarsia.errors import ArgumentError
from intarsia.files import write_text
from intarsia.metrics import Scores


@dataclass(frozen=True, eq=False)
class Report:
    """All that the page says.

    Args:
        title: the page's heading.
        sentence: what was done, in one sentence.
        facts: pairs of a label and a value (model, parameters, seconds, machine, versions).
        history: one dict an epoch: ``epoch``, ``loss``, ``mean_iou``, and whatever else belongs into the hover text. An
            epoch without a finite ``mean_iou`` has no dot; an empty history leaves out the section.
        scores: of the evaluated set; its names are those of ``classes``.
        baseline: scores of a simpler method on the same set, drawn beside, or None.
        classes: names and colours.
        examples: pictures with their masks.
        commands: what repeats this run, a line each.
        baseline_name: what the simpler method is called.

    Raises:
        ArgumentError: if ``scores``, ``baseline`` and ``classes`` differ in names, or the image and masks of an example
            in size.
    """

    title: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    history: Sequence[Mapping[str, float]]
    scores: Scores
    baseline: Scores | None
    classes: Classes
    examples: Sequence[Example]
    commands: Sequence[str]
    baseline_name: str = "linear baseline"

    def __post_init__(self) -> None:
        names = tuple(self.classes.names)
        for what, scores in (("scores", self.scores), ("baseline", self.baseline)):
            if scores is not None and tuple(scores.names) != names:
                raise ArgumentError(
                    f"`{what}` has the classes {scores.names}, but `classes` has {names}; they must agree."
                )
        for example in self.examples:
            sizes = {example.image.shape[:2], example.truth.shape, example.prediction.shape}
            if len(sizes) > 1:
                raise ArgumentError(f"The image and masks of example `{example.name}` must have one size, not {sizes}.")


def write_report(path: str | Path, report: Report) -> None:
    """Write the page to ``path``, whole or not at all; an older page stays until the new one is complete.

    The file needs nothing but itself: charts are inline SVG, pictures are data URIs, and there is no script.
    """
    write_page(path, render(report))


def write_page(path: str | Path, page: str) -> None:
    """Write HTML text; bytes of file names that are no text become question marks and do not cost the page."""
    write_text(path, page.encode("utf-8", errors="replace").decode("utf-8"))


def render(report: Report) -> str:
    """The page as HTML text."""
    baseline, classes = report.baseline, report.classes
    worst_first = sorted(report.examples, key=lambda e: math.inf if math.isnan(e.mean_iou) else e.mean_iou)
    body = [
        sections.headline(report.scores, baseline, report.baseline_name),
        sections.learning_curve(report.history, baseline, report.baseline_name),
        sections.per_class(report.scores, baseline, report.baseline_name, classes),
        sections.confusion(report.scores, classes),
        sections.examples(worst_first, classes),
        sections.facts(report.facts),
        sections.commands(report.commands),
    ]
    return PAGE.substitute(
        title=escape(report.title), sentence=escape(report.sentence), body="\n".join(part for part in body if part)
    )
