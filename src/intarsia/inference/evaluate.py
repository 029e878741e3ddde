"""One confusion matrix over a whole set, at full resolution."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from intarsia.data import Dataset, Sample, open_dataset
from intarsia.errors import DataError
from intarsia.inference.loading import load
from intarsia.inference.result import Result
from intarsia.inference.segmenter import Segmenter
from intarsia.metrics import Scores, confusion_matrix
from intarsia.shapes import Mask

Watcher = Callable[[Sample, Result, Mask, Scores], None]


def evaluate(
    run: str | Path | Segmenter,
    data: str | Path,
    split: str | None = None,
    watch: Watcher | None = None,
    *,
    skip: Collection[Path] = (),
) -> Scores:
    """Scores of a trained run, or of a loaded one, on one split of ``data`` (default: ``val``, or the only one).

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
    if not samples:
        raise DataError("There is nothing to evaluate: the split has no images.")
    total: Scores | None = None
    names = segmenter.classes.names
    for sample in samples:
        truth = sample.mask()
        result = segmenter.predict(sample.image(), logits=False)
        matrix = confusion_matrix(truth, result.mask, len(names), segmenter.classes.ignore)
        scores = Scores(matrix, names)
        total = scores if total is None else total + scores
        if watch is not None:
            watch(sample, result, truth, scores)
    assert total is not None
    return total
