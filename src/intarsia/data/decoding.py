"""Picture files become arrays as they are stored: Pillow's formats, TIFF, NPY, MATLAB; whole or in windows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped
from PIL import Image, UnidentifiedImageError

from intarsia.data import pillow, tiff
from intarsia.data.matlab import read_matlab
from intarsia.data.pillow import SIDEWAYS
from intarsia.errors import DataError, IntarsiaError
from intarsia.shapes import Window

MAX_PIXELS = 500_000_000
MOST_BANDS = 1024

Kind = Literal["pillow", "tiff", "npy", "matlab"]


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded.

    Attributes:
        shape: rows and columns, upright.
        bands: samples a pixel; a palette counts as three, alpha not at all.
        deep: whether samples have other than 8 bits, so that their range must be told from the values.
        kind: who decodes it.
        pages: how many pictures the file holds; the first is read.
        tiled: whether a window is decoded without the rest.
    """

    shape: tuple[int, int]
    bands: int
    deep: bool
    kind: Kind
    pages: int = 1
    tiled: bool = False


def read_header(path: Path | str, max_pixels: int = MAX_PIXELS) -> Header:
    """The header of a picture file.

    Raises:
        DataError: the file is missing, no image, or has more than `max_pixels` pixels.
    """
    with _complaints(path):
        return _admitted(_header(Path(path)), path, max_pixels)


def read_pixels(
    path: Path | str, window: Window | None = None, max_pixels: int = MAX_PIXELS
) -> Shaped[np.ndarray, "H W *C"]:
    """The stored samples, upright: (H, W) or (H, W, C); colours are RGB uint8, alpha is left out, one bit is bool.

    Raises:
        DataError: the file is missing, truncated, no image, or has more than `max_pixels` pixels.
    """
    with plain_picture(path, window, max_pixels) as picture:
        if picture is not None:
            return pillow.pixels_of(picture)
    with _complaints(path):
        header = _admitted(_header(Path(path)), path, max_pixels)
        if header.kind in ("npy", "matlab"):
            array = _npy(Path(path)) if header.kind == "npy" else read_matlab(Path(path))
            pixels = np.array(array[window or ...])
        else:
            pixels = _tiff_pixels(Path(path), window)
    rows, columns = window or (slice(0, header.shape[0]), slice(0, header.shape[1]))
    if pixels.shape[:2] != (rows.stop - rows.start, columns.stop - columns.start) or 0 in pixels.shape:
        raise DataError(f"`{path}` is truncated or not an image (its header lies): replace it or leave it out.")
    return pixels


@contextmanager
def plain_picture(
    path: Path | str, window: Window | None = None, max_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image | None]:
    """A picture or a window of it, decoded and upright, as Pillow reads it; None for what `read_pixels` reads itself.

    Raises:
        DataError: the file is missing, truncated, no image, or has more than `max_pixels` pixels.
    """
    with _complaints(path):
        if Path(path).suffix.lower() in (".npy", ".mat", ".tif", ".tiff"):
            header = _admitted(_header(Path(path)), path, max_pixels)
            if header.kind != "pillow" or (header.tiled and window is not None):
                yield None
                return
        with opened(path, max_pixels) as picture:
            yield picture if window is None else pillow.cropped(picture, window)


@contextmanager
def opened(path: Path | str, max_pixels: int = MAX_PIXELS, decode: bool = True) -> Iterator[Image.Image]:
    """A picture file in one of Pillow's formats, decoded and upright, or just its header, without Pillow's warnings.

    Raises:
        DataError: the file is missing, truncated, no image, or has more than `max_pixels` pixels.
    """
    with _complaints(path), pillow.identified(path) as picture:
        _admitted(_pillow_header(picture), path, max_pixels)
        yield pillow.upright(picture) if decode else picture


def _admitted(header: Header, path: Path | str, max_pixels: int) -> Header:
    """The header, unless it claims too much or nothing."""
    rows, columns = header.shape
    if rows * columns > max_pixels:
        raise DataError(
            f"`{path}` has {rows} × {columns} pixels, more than {max_pixels:,}: cut it into tiles, or, if you trust "
            f"the file, raise the limit (--max-pixels)."
        )
    if min(header.shape) < 1 or not 1 <= header.bands <= MOST_BANDS:
        raise DataError(f"`{path}` has {rows} × {columns} pixels of {header.bands} bands: replace it or leave it out.")
    return header


def _header(path: Path) -> Header:
    if path.suffix.lower() == ".npy":
        array = _npy(path)
        bands = array.shape[2] if array.ndim == 3 else 1
        return Header(array.shape[:2], bands, array.dtype != np.uint8, "npy", tiled=True)
    if path.suffix.lower() == ".mat":
        return Header(read_matlab(path).shape, 1, False, "matlab")
    try:
        picture = pillow.identified(path)
    except UnidentifiedImageError:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
        return _tiff_header(path)
    with picture:
        own = _pillow_header(picture)
        if picture.format != "TIFF":
            return own
        header = _tiff_header(path)  # versions of Pillow differ in whether the size of a TIFF is upright
        return header if header.kind == "tiff" else replace(header, bands=own.bands, deep=own.deep)


def _pillow_header(picture: Image.Image) -> Header:
    grey = picture.mode in ("1", "L", "LA", "La", "I", "F") or picture.mode.startswith("I;")
    columns, rows = picture.size
    sideways = pillow.orientation(picture) in SIDEWAYS
    return Header((columns, rows) if sideways else (rows, columns), 1 if grey else 3, picture.mode[0] in "IF", "pillow")


def _tiff_header(path: Path) -> Header:
    with tiff.first_page(path) as page:
        rows, columns = int(page.imagelength), int(page.imagewidth)
        orientation = tiff.orientation(page)
        beyond = tiff.is_beyond_pillow(page)
        return Header(
            (columns, rows) if orientation in SIDEWAYS else (rows, columns),
            tiff.bands(page),
            page.dtype not in (np.uint8, bool) and page.bitspersample != 1,
            "tiff" if beyond else "pillow",
            len(page.parent.pages),
            page.is_tiled and orientation == 1 and tiff.is_readable(page) and page.samplesperpixel in (1, 3),
        )


def _tiff_pixels(path: Path, window: Window | None) -> Shaped[np.ndarray, "H W *C"]:
    with tiff.first_page(path) as page:
        orientation = tiff.orientation(page)
        if orientation == 1:
            return tiff.read(page, window)
        pixels = pillow.turned(tiff.read(page, None), orientation)
        return pixels if window is None else pixels[window]


def _npy(path: Path) -> Shaped[np.ndarray, "H W *C"]:
    """The array in a file, not yet read from disk."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        raise DataError(f"`{path}` does not hold numbers of shape (H, W) or (H, W, C): save it so.")
    if array.ndim == 3 and array.shape[0] < 16 and array.shape[0] < min(array.shape[1:]):
        raise DataError(f"`{path}` has the shape {array.shape}: put the bands last, as in (H, W, C).")
    return array


@contextmanager
def _complaints(path: Path | str) -> Iterator[None]:
    """Whatever a decoder throws becomes one sentence."""
    try:
        yield
    except (IntarsiaError, GeneratorExit):
        raise
    except MemoryError:
        raise DataError(f"`{path}` does not fit into memory: cut it into tiles or leave it out.") from None
    except Exception as error:  # decoders let almost anything through when bytes are broken
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"`{path}` cannot be read ({error.strerror}): mend the path or leave it out.") from error
        reason = " ".join(str(error).replace(repr(str(path)), "the file").split())[:200] or type(error).__name__
        reason = "of no format that is read" if isinstance(error, UnidentifiedImageError) else reason
        if "imagecodecs" in reason:
            raise DataError(
                f"`{path}` is compressed in a way that is read with the package `imagecodecs` only: pip install "
                f"imagecodecs, or save it uncompressed or with Deflate."
            ) from error
        raise DataError(f"`{path}` is truncated or not an image ({reason}): replace it or leave it out.") from error
