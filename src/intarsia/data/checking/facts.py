"""What one image and its mask are, measured in one pass: the material of all checks of a folder."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image

from intarsia.data.checking.reading import examine, turn
from intarsia.data.decoding import MAX_PIXELS, read_pixels
from intarsia.data.images import ValueRange, value_range
from intarsia.data.infer import Content
from intarsia.data.masks import decode_mask
from intarsia.data.spelling import Spelling

MOST_VALUES = 4096  # more different values or colours are not worth counting: they are no classes
THUMBNAIL = 16  # rows and columns
REACH = 8  # the largest shift of a mask that is looked for, in pixels of the reduced image

_REDUCED = 512  # the longer side on which shifts are looked for
_BORDER_PIXELS = 2000


@dataclass(frozen=True)
class ImageFacts:
    """An image file: its content's digest, size, bands, range where it has other than 8 bits, and a small grey copy."""

    digest: str
    shape: tuple[int, int]
    bands: int
    pages: int
    values: ValueRange | None
    numbers: float  # the share of samples that are finite
    thumbnail: str  # THUMBNAIL × THUMBNAIL bytes, in hexadecimal


@dataclass(frozen=True)
class MaskFacts:
    """A mask file: the pixels of each value, and the share of border pixels whose value lies between others.

    The value of a colour is red · 65536 + green · 256 + blue.
    """

    digest: str
    shape: tuple[int, int]
    pages: int
    values: dict[int, int]
    is_colour: bool
    is_one_bit: bool
    between: float

    def content(self, path: Path) -> Content:
        """The same as reading the mask's values from its file."""
        if not self.is_colour:
            return Content(path, values=frozenset(self.values))
        return Content(path, colours=frozenset((v >> 16, v >> 8 & 255, v & 255) for v in self.values))


@dataclass(frozen=True)
class Shift:
    """Where the borders of a mask meet the edges of its image best.

    `rows` and `columns` are pixels by which the mask should move; `here` and `there` are the strength of edges under
    the mask's borders where it is and where it should be, in standard deviations over all shifts that were tried.
    """

    rows: int
    columns: int
    here: float
    there: float


@dataclass(frozen=True)
class PairFacts:
    """An image and its mask: what they are, or the sentences that say why they cannot be read."""

    image: ImageFacts | str
    mask: MaskFacts | str
    shift: Shift | None

    @property
    def parts(self) -> tuple[ImageFacts | MaskFacts | str, ...]:
        """What is known of each file."""
        return self.image, self.mask


def pair_facts(image: Path, mask: Path, max_pixels: int = MAX_PIXELS, spelling: Spelling | None = None) -> PairFacts:
    """The facts of two files, each decoded once; those of the mask are about its indices where it has a spelling."""
    with turn((image, mask), max_pixels):
        picture, of_image = examine(image, max_pixels, read_pixels, image_facts)
        pixels, of_mask = examine(mask, max_pixels, partial(decode_mask, spelling=spelling), mask_facts)
        shift = None
        if picture is not None and pixels is not None and picture.shape[:2] == pixels.shape[:2]:
            shift = find_shift(grey_of(picture), pixels)
        return PairFacts(of_image, of_mask, shift)


def image_facts(picture: Shaped[np.ndarray, "H W *C"], digest: str, pages: int = 1) -> ImageFacts:
    """The facts of stored samples."""
    deep = picture.dtype not in (np.uint8, bool)
    finite = float(np.isfinite(picture).mean()) if picture.dtype.kind == "f" else 1.0
    small = Image.fromarray(grey_of(picture)).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return ImageFacts(
        digest,
        (picture.shape[0], picture.shape[1]),
        picture.shape[2] if picture.ndim == 3 else 1,
        pages,
        value_range([picture]) if deep else None,
        finite,
        small.tobytes().hex(),
    )


def mask_facts(pixels: Shaped[np.ndarray, "H W *C"], digest: str, pages: int = 1) -> MaskFacts:
    """The facts of a decoded mask."""
    flat = flattened(pixels)
    counted = {int(value): int(count) for value, count in zip(*_counted(flat), strict=True)}
    return MaskFacts(
        digest, (flat.shape[0], flat.shape[1]), pages, counted, pixels.ndim == 3, pixels.dtype == bool, between(flat)
    )


def flattened(pixels: Shaped[np.ndarray, "H W *C"]) -> Shaped[np.ndarray, "H W"]:
    """One number a pixel of a decoded mask; one bit is 0 or 255."""
    if pixels.ndim == 3:
        return pixels.astype(np.int32) @ np.array((65536, 256, 1), np.int32)
    return pixels * np.uint8(255) if pixels.dtype == bool else pixels


def grey_of(picture: Shaped[np.ndarray, "H W *C"]) -> UInt8[np.ndarray, "H W"]:
    """The first three bands' mean, spread over 0 … 255 where there are other than 8 bits."""
    if picture.dtype == np.uint8 and picture.ndim == 2:
        return picture
    if picture.dtype == np.uint8 and picture.shape[2] == 3:
        return np.asarray(Image.fromarray(picture).convert("L"))
    with np.errstate(all="ignore"):  # samples may be anything
        grey = picture[:, :, :3].astype(np.float64).mean(axis=2) if picture.ndim == 3 else picture.astype(np.float64)
        grey = np.nan_to_num(grey, posinf=0.0, neginf=0.0)
        spread = float(np.ptp(grey))
        scaled = (grey - grey.min()) * (255 / spread if 0 < spread < np.inf else 0)
    return np.nan_to_num(np.rint(scaled)).clip(0, 255).astype(np.uint8)


def between(values: Shaped[np.ndarray, "H W"]) -> float:
    """The share of border pixels that lie strictly between two neighbours.

    Interpolation between two values makes all the values between them: near 1. Drawn borders jump: near 0; even tissue
    in layers one or two pixels thin (the slices of ``sample:brain``) stays below 0.15.
    """
    found = np.zeros(values.shape, bool)
    for before, here, after, place in (
        (values[:, :-2], values[:, 1:-1], values[:, 2:], found[:, 1:-1]),
        (values[:-2], values[1:-1], values[2:], found[1:-1]),
    ):
        place |= (before < here) & (here < after) | (before > here) & (here > after)
    return min(1.0, np.count_nonzero(found) / max(1, np.count_nonzero(_borders(values))))


def find_shift(grey: UInt8[np.ndarray, "H W"], mask: Shaped[np.ndarray, "H W *C"]) -> Shift | None:
    """The shift at which the mask's borders lie on the strongest edges of the image; None where too few borders are."""
    step = -(-max(grey.shape) // _REDUCED)
    values = flattened(mask[::step, ::step])
    edges = _edges(np.asarray(Image.fromarray(grey).reduce(step)) if step > 1 else grey)
    rows, columns = (place + REACH for place in np.nonzero(_borders(values)[REACH:-REACH, REACH:-REACH]))
    inside = (rows < edges.shape[0] - REACH) & (columns < edges.shape[1] - REACH)
    rows, columns = rows[inside], columns[inside]
    if len(rows) < 50:
        return None
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _BORDER_PIXELS)).astype(np.intp)
    rows, columns = rows[chosen], columns[chosen]
    moves = range(-REACH, REACH + 1)
    strength = np.array([[edges[rows + i, columns + j].mean() for j in moves] for i in moves])
    deviation = float(strength.std())
    if deviation == 0:
        return None
    strength = (strength - strength.mean()) / deviation
    i, j = np.unravel_index(strength.argmax(), strength.shape)
    here, there = float(strength[REACH, REACH]), float(strength.max())
    return Shift((int(i) - REACH) * step, (int(j) - REACH) * step, here, there)


def _edges(grey: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Absolute differences to the right and lower neighbour; the strongest twentieth counts alike."""
    grey = grey.astype(np.float32)
    edges = np.zeros_like(grey)
    edges[:, :-1] += np.abs(np.diff(grey, axis=1))
    edges[:-1] += np.abs(np.diff(grey, axis=0))
    return np.minimum(edges, np.percentile(edges, 95))


def _borders(values: Shaped[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels whose right or lower neighbour differs."""
    borders = np.zeros(values.shape, bool)
    borders[:, :-1] |= values[:, 1:] != values[:, :-1]
    borders[:-1] |= values[1:] != values[:-1]
    return borders


def _counted(values: Shaped[np.ndarray, "H W"]) -> tuple[Any, Any]:
    """The different values and their counts, at most `MOST_VALUES` of them, the most frequent first among too many."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        found = np.flatnonzero(counts)
        return found, counts[found]
    found, counts = np.unique(values, return_counts=True)
    if len(found) > MOST_VALUES:
        kept = np.argsort(-counts)[:MOST_VALUES]
        found, counts = found[kept], counts[kept]
    return found, counts
