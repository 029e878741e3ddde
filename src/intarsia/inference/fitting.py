"""The settings of a run's dense CRF, chosen on images whose truth is known, and accepted on others."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float16

from intarsia.data import Sample
from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, DataError
from intarsia.inference.evaluate import fingerprint
from intarsia.inference.refining import refined_probabilities, with_ground
from intarsia.inference.result import probabilities_of
from intarsia.inference.searching import check_evaluations, search
from intarsia.inference.segmenter import Segmenter
from intarsia.metrics import Scores, confusion_matrix
from intarsia.runs.refinement import MOST_CLASSES, Fit, Refinement
from intarsia.shapes import Mask, Picture, Window

SIDE = 640  # pixels: of a larger image a window
MEMORY = 1 << 30  # bytes of probabilities
_SPREAD = 0.7548776662, 0.5698402910  # powers of the inverse plastic number: multiples of both fill a square evenly

Progress = Callable[[str, int, int, float], None]
"""What is done, how many of how many, and the best mean IoU so far (nan before the first)."""


@dataclass(frozen=True, eq=False)
class Example:
    """An image or a window of it, its truth, and what the network says of it."""

    picture: Picture
    truth: Mask
    probabilities: Float16[np.ndarray, "K H W"]
    name: str


@dataclass(frozen=True)
class Fitted:
    """The best settings that were found, and whether they are worth keeping."""

    refinement: Refinement
    fit: Fit

    @property
    def improves(self) -> bool:
        """Whether both halves of the images gain: those that chose the settings and those that had no part in it."""
        return all(after > before for before, after in (self.fit.fitted, self.fit.held_out))


def fit_refinement(
    segmenter: Segmenter,
    samples: Sequence[Sample],
    data: str,
    split: str,
    *,
    evaluations: int = 60,
    images: int = 32,
    start: CRFSettings | None = None,
    watch: Progress = lambda what, done, total, best: None,
) -> Fitted:
    """Choose weights and σs by the mean IoU of some images, and score them on as many others.

    Of the samples twice ``images`` are taken, evenly spread, or as many as there are or as fit into a gibibyte; every
    second one is held out. Of images with a longer side than 640 pixels a window is taken, each time at another place.
    The network answers once for each; its probabilities are kept as half floats.

    Args:
        segmenter: the network; a refinement that it has is left out.
        samples: at least two.
        data: what the samples are of, for the record.
        split: likewise.
        evaluations: how many settings are tried.
        images: how many choose the settings.
        start: the first settings; those that are not searched for stay as they are here.
        watch: called after each image and each settings.

    Raises:
        DataError: there are fewer than two samples, or half of those taken have no labelled pixel.
        ArgumentError: too few evaluations or images, or more classes than a dense CRF takes.
    """
    if images < 1:
        raise ArgumentError(f"`images` (={images}) must be at least 1; 32 are usual.")
    check_evaluations(evaluations)
    _check(segmenter, samples, data, split)
    segmenter = replace(segmenter, refinement=None)
    taken = _taken(samples, 2 * images, len(segmenter.classes.names))
    examples = []
    for place, sample in enumerate(taken):
        examples.append(_example(segmenter, sample, place))
        watch("network", place + 1, len(taken), math.nan)
    ours, others = examples[::2], examples[1::2]
    names, ignore = segmenter.classes.names, segmenter.classes.ignore

    def score(settings: CRFSettings | None, part: Iterable[Example]) -> float:
        matrices = (confusion_matrix(e.truth, answer(e, settings), len(names), ignore) for e in part)
        return Scores(sum(matrices, np.zeros((len(names), len(names)), np.int64)), names).mean_iou

    before = score(None, ours), score(None, others)
    if any(map(math.isnan, before)):
        raise DataError(f"Half of the images of {split} in {data} have no labelled pixel; take more by --images.")
    began, best = time.perf_counter(), -math.inf

    def tried(count: int, reached: float) -> None:
        nonlocal best
        best = max(best, reached)
        watch("settings", count, evaluations, best)

    trials = search(lambda settings: score(settings, ours), start or CRFSettings(), evaluations, tried)
    found = max(trials, key=lambda trial: trial.score)
    fit = Fit(
        data,
        split,
        tuple(example.name for example in ours),
        (before[0], found.score),
        (before[1], score(found.settings, others)),
        tuple(trial.score for trial in trials),
        time.perf_counter() - began,
    )
    return Fitted(Refinement(found.settings, fit), fit)


def answer(example: Example, settings: CRFSettings | None) -> Mask:
    """The most probable class of each pixel, of the network's own answer or of the refined one."""
    probabilities = example.probabilities.astype(np.float32)
    if settings is None:
        return with_ground(probabilities).argmax(axis=0).astype(example.truth.dtype)
    return refined_probabilities(probabilities, example.picture, settings).argmax(axis=0).astype(example.truth.dtype)


def _check(segmenter: Segmenter, samples: Sequence[Sample], data: str, split: str) -> None:
    if segmenter.classes.count > MOST_CLASSES:
        raise ArgumentError(
            f"The network has {segmenter.classes.count} classes, and a dense CRF takes at most {MOST_CLASSES}: leave "
            "it without a refinement."
        )
    if len(samples) < 2:
        raise DataError(
            f"The split {split} of {data} has {len(samples)} image{'s' * (len(samples) != 1)}, and a fit needs one to "
            "choose settings and another to judge them: name another split, or choose settings by hand (--set)."
        )


def _taken(samples: Sequence[Sample], most: int, classes: int) -> list[Sample]:
    """Evenly spread over the set; an even number, so that both halves are alike."""
    pixels = max(min(rows, SIDE) * min(columns, SIDE) for rows, columns in (sample.shape() for sample in samples))
    affordable = MEMORY // (pixels * (2 * classes + 4))
    count = max(2, min(most, len(samples), affordable) // 2 * 2)
    return [samples[place * len(samples) // count] for place in range(count)]


def _example(segmenter: Segmenter, sample: Sample, place: int) -> Example:
    """One image, or its window number ``place``."""
    picture = sample.image()
    rows, columns = window = _window(picture.shape[0], picture.shape[1], place)
    kept: np.ndarray | None = None
    for (top, left), part in segmenter.parts(picture):
        if kept is None:
            kept = np.empty((len(part), rows.stop - rows.start, columns.stop - columns.start), np.float16)
        here = [slice(max(p.start, w.start), min(p.stop, w.stop)) for p, w in ((top, rows), (left, columns))]
        if all(span.start < span.stop for span in here):
            source = tuple(slice(s.start - p.start, s.stop - p.start) for s, p in zip(here, (top, left), strict=True))
            target = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(here, window, strict=True))
            kept[:, *target] = probabilities_of(part[:, *source])
    assert kept is not None
    return Example(np.ascontiguousarray(picture[window]), sample.mask()[window], kept, fingerprint(picture))


def _window(height: int, width: int, place: int) -> Window:
    """Where of large images: spread evenly, so that sky and ground both have a part."""
    sizes = min(height, SIDE), min(width, SIDE)
    top, left = (
        int((length - size) * (place * share % 1))
        for length, size, share in zip((height, width), sizes, _SPREAD, strict=True)
    )
    return slice(top, top + sizes[0]), slice(left, left + sizes[1])
