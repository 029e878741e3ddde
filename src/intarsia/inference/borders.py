"""Scores of borders, gathered while a set is evaluated."""

from collections.abc import Sequence

from intarsia.data import Classes, Sample
from intarsia.inference.result import Result
from intarsia.metrics import BoundaryScores, Scores, boundary_scores
from intarsia.metrics.boundary import RADII
from intarsia.shapes import Mask


class Borders:
    """Compares the borders of each image that an evaluation comes by, and adds up.

    ``scores`` are those so far. Of a run with a refinement they are those after it.

    >>> from intarsia.data import open_dataset
    >>> borders = Borders(open_dataset("sample:materials").classes, radii=(1, 3))
    >>> scores = intarsia.evaluate("runs/photos", "photos/", watch=borders.watch)  # doctest: +SKIP
    >>> borders.scores.boundary_f
    {1.0: nan, 3.0: nan}

    Raises:
        ArgumentError: there are no radii, or one is not a positive number.
    """

    def __init__(self, classes: Classes, radii: Sequence[float] = RADII) -> None:
        self.scores = BoundaryScores.nothing(classes.names, radii)
        self._ignore = classes.ignore

    def watch(self, sample: Sample, result: Result, truth: Mask, scores: Scores) -> None:
        """As :func:`intarsia.evaluate` calls it after each image."""
        self.scores += boundary_scores(truth, result.mask, self.scores.names, self.scores.radii, self._ignore)
