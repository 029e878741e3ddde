"""Picture files become uint8 arrays: what the numbers in the files of a set mean is one `PixelFormat`."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from intarsia.data.decoding import MAX_PIXELS, read_header, read_pixels
from intarsia.errors import DataError
from intarsia.shapes import Picture, Window

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".npy"})

_OVERSHOT, _NO_DEPTH = 1.5, 32.0  # largest floating-point samples: still 0 … 1, and too small for any depth
_DEPTHS = (8, 10, 12, 14, 16)  # bits of the sensors whose values files hold in 16


@dataclass(frozen=True)
class PixelFormat:
    """How the samples in the picture files of one set become 0 … 255.

    Attributes:
        channels: of the array in memory: 3 (RGB, or grey repeated), or the number of bands.
        limits: the samples that become 0 and 255 where files hold other than 8 bits; None where no file does.
    """

    channels: int = 3
    limits: tuple[float, float] | None = None


RGB = PixelFormat()


@dataclass(frozen=True)
class ValueRange:
    """The smallest and largest sample of some files, and whether they are stored as floating-point numbers."""

    least: float
    largest: float
    floating: bool

    def __or__(self, other: "ValueRange") -> "ValueRange":
        """The range of both together."""
        return ValueRange(
            min(self.least, other.least), max(self.largest, other.largest), self.floating or other.floating
        )

    def limits(self) -> tuple[float, float]:
        """Black and white.

        Floating-point samples up to 1, or overshooting it a little, span 0 … 1. Others are taken for 8, 10, 12, 14 or
        16 bits, whichever first holds the largest. What is negative, larger, or floating and below any such depth is
        spread from the least to the largest.

        >>> ValueRange(0, 3000, False).limits(), ValueRange(0.1, 0.7, True).limits(), ValueRange(-5, 20, True).limits()
        ((0.0, 4095.0), (0.0, 1.0), (-5, 20))
        """
        if self.least >= 0 and self.floating and self.largest < _OVERSHOT:
            return 0.0, 1.0
        if self.floating and self.largest < _NO_DEPTH:
            return self.least, self.largest
        if 0 <= self.least <= self.largest <= 65535:
            return 0.0, float(next(2**bits - 1 for bits in _DEPTHS if self.largest <= 2**bits - 1))
        return self.least, self.largest


def read_image(
    path: Path | str, pixels: PixelFormat | None = None, window: Window | None = None, max_pixels: int = MAX_PIXELS
) -> Picture:
    """The picture in a file, or a window of it, upright as its EXIF orientation says: (H, W, C) uint8.

    Grey is repeated in three channels, palettes are looked up, alpha is dropped; more bands stay as they are. Other
    depths than 8 bits are scaled by the set's `pixels`, without which the file's own values tell the range.

    Raises:
        DataError: the file is missing, truncated, no image, has more than `max_pixels` pixels, or other bands than
            `pixels` says.
    """
    stored = read_pixels(path, window, max_pixels)
    if stored.dtype == bool:
        stored = stored * np.uint8(255)
    bands = stored.shape[2] if stored.ndim == 3 else 1
    channels = channels_of(bands) if pixels is None else pixels.channels
    if bands not in (1, channels) or (bands == 1 and channels not in (1, 3)):
        raise DataError(f"`{path}` has {bands} bands, but {channels} are expected: convert it or leave it out.")
    if stored.dtype != np.uint8:
        known = pixels.limits if pixels is not None else None
        stored = to_8_bits(stored, *(known or value_range([stored]).limits()))
    return np.repeat(stored[:, :, None], channels, axis=2) if stored.ndim == 2 else stored


def image_shape(path: Path | str, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Rows and columns of a picture as `read_image` returns it, from the file's header alone.

    Raises:
        DataError: the file is missing, no image, or has more than `max_pixels` pixels.
    """
    try:
        state = Path(path).stat()
    except OSError:
        return read_header(path, max_pixels).shape  # which says what is wrong
    return _shape(str(path), state.st_mtime_ns, state.st_size, max_pixels)


@lru_cache(maxsize=1 << 16)
def _shape(path: str, changed: int, size: int, max_pixels: int) -> tuple[int, int]:
    """Training asks for the size of each image in each epoch, twice."""
    return read_header(path, max_pixels).shape


def pixel_format(images: Sequence[Path], max_pixels: int) -> PixelFormat:
    """The common bands of all files, by their headers; the values are read where they have other than 8 bits."""
    with ThreadPoolExecutor() as pool:
        headers = dict(zip(images, pool.map(lambda path: read_header(path, max_pixels), images), strict=True))
        deep = [path for path, header in headers.items() if header.deep]
        ranges = list(pool.map(lambda path: value_range([read_pixels(path, max_pixels=max_pixels)]), deep))
    channels = {channels_of(header.bands): path for path, header in headers.items()}
    if len(channels) > 1:
        (first, one), (second, other) = list(channels.items())[:2]
        raise DataError(
            f"`{one}` has {first} channels, but `{other}` has {second}: all images of a set need as many, so convert "
            f"some or leave them out."
        )
    return PixelFormat(next(iter(channels), 3), reduce(or_, ranges).limits() if ranges else None)


def channels_of(bands: int) -> int:
    """The channels in memory for so many bands in a file: grey becomes RGB."""
    return 3 if bands == 1 else bands


def value_range(pictures: Iterable[Shaped[np.ndarray, "..."]]) -> ValueRange:
    """The range of the finite samples of some arrays; 0 … 0 if there are none."""
    total: ValueRange | None = None
    for samples in pictures:
        finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
        if finite.size:
            own = ValueRange(float(finite.min()), float(finite.max()), samples.dtype.kind == "f")
            total = own if total is None else total | own
    return total or ValueRange(0.0, 0.0, False)


def to_8_bits(samples: Shaped[np.ndarray, "H W *C"], black: float, white: float) -> Shaped[np.ndarray, "H W *C"]:
    """Linear from black … white to 0 … 255; what is no number becomes black."""
    scale = 255 / (white - black) if white > black else 0.0
    with np.errstate(all="ignore"):  # infinite samples are clipped
        scaled = (samples.astype(np.float64 if samples.dtype.itemsize > 4 else np.float32) - black) * scale
    return np.nan_to_num(np.rint(scaled), nan=0.0).clip(0, 255).astype(np.uint8)
