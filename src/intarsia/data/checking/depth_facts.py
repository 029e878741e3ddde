"""What one image, its depths and its measurements are, in one pass: the material of all checks of a depth set."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from intarsia.data.checking.facts import ImageFacts, image_facts
from intarsia.data.checking.reading import examine, turn
from intarsia.data.decoding import MAX_PIXELS, read_pixels
from intarsia.data.depth.files import metres_of
from intarsia.data.depth.layouts import DepthFiles

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
FAR_OFF = 0.25  # of the truth: what no sensor that sees the same scene is wrong by


@dataclass(frozen=True)
class MapFacts:
    """A file of depths as it is stored; a value is known where it is finite and not 0.

    Attributes:
        digest: of its content.
        shape: rows and columns.
        pages: pictures in the file.
        bands: numbers a pixel.
        dtype: such as "uint16".
        known: the share of pixels that are known.
        least: the smallest finite value; 0 in a map of none.
        quantiles: of the known values at `QUANTILES`, in the file's own unit; empty if none is known.
        at_most: the share of pixels that hold the largest number that fits; 0 for fractions.
    """

    digest: str
    shape: tuple[int, int]
    pages: int
    bands: int
    dtype: str
    known: float
    least: float
    quantiles: tuple[float, ...]
    at_most: float

    def metres(self, unit: float | None) -> float:
        """How many metres a number of the file is, in a set of this unit."""
        return metres_of(np.dtype(self.dtype), unit)


@dataclass(frozen=True)
class Agreement:
    """How measurements compare with the truth where both are known.

    Attributes:
        pixels: where both are known.
        ratio: the median of measured / true.
        off: the share that is off by more than `FAR_OFF` of the truth.
    """

    pixels: int
    ratio: float
    off: float


@dataclass(frozen=True)
class DepthFacts:
    """An image with its depths and, if there are, its measurements, or the sentences that say why they cannot be read.

    `agreement` is None without measurements, or where nothing can be compared.
    """

    image: ImageFacts | str
    depth: MapFacts | str
    measured: MapFacts | str | None = None
    agreement: Agreement | None = None

    @property
    def parts(self) -> tuple[ImageFacts | MapFacts | str, ...]:
        """What is known of each file."""
        return (self.image, self.depth) if self.measured is None else (self.image, self.depth, self.measured)


def depth_facts(files: DepthFiles, max_pixels: int = MAX_PIXELS) -> DepthFacts:
    """The facts of the files of one sample, each decoded once."""
    with turn(files.paths, max_pixels):
        _, of_image = examine(files.image, max_pixels, read_pixels, image_facts)
        truth, of_depth = examine(files.depth, max_pixels, read_pixels, map_facts)
        if files.measured is None:
            return DepthFacts(of_image, of_depth)
        measured, of_measured = examine(files.measured, max_pixels, read_pixels, map_facts)
        if truth is None or measured is None or truth.ndim != 2 or truth.shape != measured.shape:
            return DepthFacts(of_image, of_depth, of_measured)
        return DepthFacts(of_image, of_depth, of_measured, agreement(truth, measured))


def map_facts(values: Shaped[np.ndarray, "H W *C"], digest: str, pages: int = 1) -> MapFacts:
    """The facts of stored depths."""
    finite = values[np.isfinite(values)]
    known = finite[finite != 0].astype(np.float64)
    places = [round(share * (known.size - 1)) for share in QUANTILES] if known.size else []
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else np.nan  # which nothing equals
    return MapFacts(
        digest,
        (values.shape[0], values.shape[1]),
        pages,
        values.shape[2] if values.ndim == 3 else 1,
        str(values.dtype),
        known.size / values.size,
        float(finite.min(initial=0)),
        tuple(np.partition(known, places)[places].tolist()) if places else (),
        float((values == largest).mean()),
    )


def agreement(truth: Shaped[np.ndarray, "H W"], measured: Shaped[np.ndarray, "H W"]) -> Agreement | None:
    """How two maps of one unit compare; None if no pixel is known in both."""
    both = _known(truth) & _known(measured)
    if not both.any():
        return None
    ratio: Float64[np.ndarray, " N"] = measured[both].astype(np.float64) / truth[both]
    return Agreement(int(both.sum()), float(np.median(ratio)), float((abs(ratio - 1) > FAR_OFF).mean()))


def _known(values: Shaped[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    return np.isfinite(values) & (values != 0)
