"""What is measured of each sample of a set: by a sensor of the set's own, or drawn from its depths."""

from collections.abc import Sequence

from intarsia.data.depth.dataset import DepthSample, FileDepthSample
from intarsia.data.depth.files import Depth
from intarsia.data.depth.measuring import OWN, Measuring, measure
from intarsia.data.generators import generator_for
from intarsia.errors import DataError
from intarsia.shapes import Picture

USUAL = Measuring("count", 500)

_CORNER = (slice(0, 1), slice(0, 1))


def chosen_measuring(samples: Sequence[DepthSample], wanted: Measuring | None = None) -> Measuring | None:
    """``wanted``; without it None, which means the samples' own measurements, if there are any, else 500 pixels.

    Raises:
        DataError: their own are wanted and there are none, or some samples have measurements of their own, but not all.
    """
    if wanted is not None and wanted != OWN:
        return wanted
    without = [sample for sample in samples if not _has_own(sample)]
    if wanted is None and len(without) == len(samples):
        return USUAL
    if without:
        raise DataError(_without_own(without[0], len(samples) - len(without), len(samples)))
    return None


def _without_own(sample: DepthSample, others: int = 0, samples: int = 1) -> str:
    """A sentence; so many ``others`` of all ``samples`` have measurements of their own."""
    name = sample.image_path if isinstance(sample, FileDepthSample) else sample.name
    if not others:
        return f"`{name}` has no measurements of its own: say how many to draw, such as --measuring 500."
    return (
        f"`{name}` has no measurements of its own, but {others} of {samples} images have: add them, leave the image "
        "out by --skip, or say what to measure, such as --measuring 500."
    )


def _has_own(sample: DepthSample) -> bool:
    """Without decoding a file for each of many thousand samples."""
    if isinstance(sample, FileDepthSample):
        return sample.measured_path is not None
    return sample.measured(_CORNER) is not None


def measured_depth(
    sample: DepthSample, image: Picture, depth: Depth | None, measuring: Measuring | None, seed: int, index: int
) -> Depth:
    """What is known of a sample before its depths are completed: metres, 0 where nothing was measured.

    A pure function of its arguments. ``image`` and ``depth`` are the sample's, which is asked for its depth if that is
    None and needed; without ``measuring``, or with "own", its own measurements are taken, otherwise they
    are drawn from ``depth`` for this ``seed`` and the sample's ``index``.

    Raises:
        DataError: nothing was measured at all, or the sample has no measurements of its own.
    """
    if measuring is None or measuring == OWN:
        own = sample.measured()
    else:
        own = measure(sample.depth() if depth is None else depth, image, measuring, generator_for(seed, index))
    if own is None:
        raise DataError(_without_own(sample))
    if not own.any():
        raise DataError(
            f"Nothing was measured of `{sample.name}`, so that nothing tells its distances: measure more, or leave it "
            "out."
        )
    return own


def measured_words(measuring: Measuring | None, seed: int) -> str:
    """How, in one sentence, which is printed beside the scores.

    >>> measured_words(Measuring("grid", 16), 0)
    'Measured: every 16th row and column, where the grid begins drawn with seed 0.'
    """
    if measuring is None or measuring == OWN:
        return "Measured: by the set's own sensor."
    begins = {"grid": " where the grid begins", "lines": " where they begin"}.get(measuring.kind, "")
    return f"Measured: {how_many(measuring)},{begins} drawn with seed {seed}."


def how_many(measuring: Measuring) -> str:
    """What is measured of an image, in words.

    >>> how_many(Measuring("lines", 32))
    '32 scan lines'
    >>> how_many(Measuring("grid", 2)), how_many(Measuring("count", 1))
    ('every 2nd row and column', '1 pixel anywhere')
    """
    amount, several = measuring.amount, "" if measuring.amount == 1 else "s"
    return {
        "count": f"{amount} pixel{several} anywhere",
        "grid": f"every {_nth(amount)}row and column",
        "lines": f"{amount} scan line{several}",
        "confidence": f"{amount} pixel{several}, more of them where there is texture",
        "own": "what the set's own sensor measured",
    }[measuring.kind]


def _nth(number: int) -> str:
    """The ordinal number and a space; nothing for the first, since every row is every row."""
    if number == 1:
        return ""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} "
