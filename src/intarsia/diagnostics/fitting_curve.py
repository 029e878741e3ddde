"""What a search for a refinement's settings reached, drawn."""

from itertools import accumulate

from intarsia.diagnostics.pages.explanation import standalone
from intarsia.diagnostics.svg import Point, line_chart
from intarsia.runs.refinement import Fit


def fitting_curve(fit: Fit) -> str:
    """An SVG file: by how many points of mean IoU the best settings so far were better than none.

    >>> fit = Fit("photos", "val", ("a",), (0.5, 0.6), (0.5, 0.55), (0.4, 0.6), 1.0)
    >>> "settings 2: 60.0, the best so far 60.0" in fitting_curve(fit)
    True
    >>> ">points of mean IoU gained</text>" in fitting_curve(fit)
    True
    """
    points = [
        Point(
            count,
            100 * (best - fit.fitted[0]),
            f"settings {count}: {100 * score:.1f}, the best so far {100 * best:.1f}",
        )
        for count, (score, best) in enumerate(zip(fit.scores, accumulate(fit.scores, max), strict=True), start=1)
    ]
    caption = "Points of mean IoU gained by the number of settings tried"
    chart = line_chart(points, caption, None, None, "settings tried", "points of mean IoU gained")
    return standalone(chart)
