"""One confusion matrix over a whole set, at full resolution."""

import math
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from intarsia.data import Dataset, Sample, open_dataset
from intarsia.errors import DataError
from intarsia.inference.loading import load
from intarsia.inference.result import Result
from intarsia.inference.segmenter import Segmenter
from intarsia.metrics import Scores, confusion_matrix
from intarsia.metrics.scores import SUMMARY
from intarsia.shapes import Mask, Picture

Watcher = Callable[[Sample, Result, Mask, Scores], None]


class BothScores(NamedTuple):
    """Scores before and after a refinement, and how many of the images had a part in choosing it."""

    before: Scores
    after: Scores
    images: int
    fitted: int

    def table(self) -> str:
        """IoU of each class and the summary, before and after, and what to think of the difference."""
        per_class = [scores.per_class_iou for scores in (self.before, self.after)]
        rows = [(name, per_class[0][name], per_class[1][name]) for name in per_class[0]]
        summary = [(name, getattr(self.before, name), getattr(self.after, name)) for name in SUMMARY]
        width = max(len(name) for name, *_ in rows + summary)
        head = f"{'IoU':<{width}}  before   after"
        doubt = (
            f"\n{self.fitted} of these {self.images} images had chosen the refinement's settings, so that the gain "
            "is a little too good: images that had no part in it judge better."
        )
        lines = [head, *(_row(row, width) for row in rows), "", *(_row(row, width) for row in summary)]
        return "\n".join([*lines, self.after.rule]) + (doubt if self.fitted else "")


def evaluate(
    run: str | Path | Segmenter,
    data: str | Path,
    split: str | None = None,
    watch: Watcher | None = None,
    *,
    skip: Collection[Path] = (),
) -> Scores:
    """Scores of a trained run, or of a loaded one, on one split of ``data`` (default: ``val``, or the only one).

    A run that holds a refinement is scored after it; ``load(run, refine=False)`` is scored without.
    ``load(run, views=Views())`` is scored by the mean over several views of each image; ``segmenter.protocol`` says so.

    ``watch`` is called after each image with the sample, the result, the true mask and the scores of that image alone.
    Files in ``skip`` are left out. Raises ``RunError`` or ``DataError`` with the file and the remedy.
    """
    segmenter = run if isinstance(run, Segmenter) else load(run)
    dataset = open_for(segmenter, data, skip)
    return evaluate_samples(segmenter, dataset.split(split or dataset.default_split), watch)


def open_for(segmenter: Segmenter, data: str | Path, skip: Collection[Path] = ()) -> Dataset:
    """A dataset with the classes of a network, read as the network's training data were."""
    return open_dataset(data, segmenter.classes, segmenter.pixels, skip=skip, max_pixels=segmenter.max_pixels)


def evaluate_samples(segmenter: Segmenter, samples: Sequence[Sample], watch: Watcher | None = None) -> Scores:
    """Scores over all samples together: pixels are counted over the set, not averaged image by image.

    Memory holds one image, its masks, and of its logits those of one pass of the network.
    """
    _check(samples)
    total = _nothing(segmenter)
    for sample in samples:
        truth = sample.mask()
        result = segmenter.predict(sample.image(), logits=False)
        scores = _scores(segmenter, truth, result.mask)
        total += scores
        if watch is not None:
            watch(sample, result, truth, scores)
    return total


def evaluate_both(segmenter: Segmenter, samples: Sequence[Sample], watch: Watcher | None = None) -> BothScores:
    """Likewise before and after the segmenter's refinement, by one pass of the network.

    Raises:
        ArgumentError: it has none.
    """
    _check(samples)
    fit = None if segmenter.refinement is None else segmenter.refinement.fit
    chosen = frozenset(fit.images if fit is not None else ())
    before, after, fitted = _nothing(segmenter), _nothing(segmenter), 0
    for sample in samples:
        truth, image = sample.mask(), sample.image()
        mask, result = segmenter.predict_both(image)
        scores = _scores(segmenter, truth, result.mask)
        before, after = before + _scores(segmenter, truth, mask), after + scores
        fitted += bool(chosen) and fingerprint(image) in chosen
        if watch is not None:
            watch(sample, result, truth, scores)
    return BothScores(before, after, len(samples), fitted)


def fingerprint(image: Picture) -> str:
    """By which an image is known again, wherever its file lies and whatever it is called."""
    digest = blake2b(repr(image.shape).encode(), digest_size=12)
    digest.update(image.tobytes())
    return digest.hexdigest()


def _row(row: tuple[str, float, float], width: int) -> str:
    name, *values = row
    return f"{name:<{width}}  " + "  ".join("     -" if math.isnan(value) else f"{value:.4f}" for value in values)


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise DataError("There is nothing to evaluate: the split has no images.")


def _nothing(segmenter: Segmenter) -> Scores:
    names = segmenter.classes.names
    return Scores(np.zeros((len(names), len(names)), np.int64), names)


def _scores(segmenter: Segmenter, truth: Mask, mask: Mask) -> Scores:
    names = segmenter.classes.names
    return Scores(confusion_matrix(truth, mask, len(names), segmenter.classes.ignore), names)
