"""What is measured of each sample of a set: by a sensor of the set's own, or drawn from its depths."""

from collections.abc import Sequence

from intarsia.data.depth.dataset import DepthSample, FileDepthSample
from intarsia.data.depth.files import Depth
from intarsia.data.depth.measuring import Measuring, measure
from intarsia.data.generators import generator_for
from intarsia.errors import DataError
from intarsia.shapes import Picture

USUAL = Measuring("count", 500)

_CORNER = (slice(0, 1), slice(0, 1))


def chosen_measuring(samples: Sequence[DepthSample], wanted: Measuring | None = None) -> Measuring | None:
    """``wanted``; without it None, which means the samples' own measurements, if there are any, else 500 pixels.

    Raises:
        DataError: nothing is wanted, and some samples have measurements of their own, but not all.
    """
    if wanted is not None:
        return wanted
    without = [sample for sample in samples if not _has_own(sample)]
    if len(without) == len(samples):
        return USUAL
    if without:
        first = without[0].image_path if isinstance(without[0], FileDepthSample) else without[0].name
        raise DataError(
            f"`{first}` has no measurements of its own, but {len(samples) - len(without)} of {len(samples)} images "
            "have: add them, leave the image out by --skip, or say what to measure, such as --measuring 500."
        )
    return None


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
    None and needed; without ``measuring`` its own measurements are taken, otherwise they are drawn from ``depth`` for
    this ``seed`` and the sample's ``index``.

    Raises:
        DataError: nothing was measured at all, or the sample has no measurements of its own.
    """
    own = sample.measured() if measuring is None else None
    if measuring is not None:
        own = measure(sample.depth() if depth is None else depth, image, measuring, generator_for(seed, index))
    if own is None:
        raise DataError(f"`{sample.name}` has no measurements of its own: say how many to draw, such as 500.")
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
    if measuring is None:
        return "Measured: by the set's own sensor."
    begins = {"grid": " where the grid begins", "lines": " where they begin"}.get(measuring.kind, "")
    return f"Measured: {how_many(measuring)},{begins} drawn with seed {seed}."


def how_many(measuring: Measuring) -> str:
    """What is measured of an image, in words.

    >>> how_many(Measuring("lines", 32))
    '32 scan lines'
    """
    amount = measuring.amount
    return {
        "count": f"{amount} pixels anywhere",
        "grid": f"every {amount}th row and column",
        "lines": f"{amount} scan lines",
        "confidence": f"{amount} pixels, more of them where there is texture",
    }[measuring.kind]
