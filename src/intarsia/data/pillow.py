"""Pillow as it is used here: formats that run no programs, no warnings, no limit of its own, pictures upright."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from intarsia.shapes import Window

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM")  # Pillow knows more, some of which run programs
_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # those that swap rows and columns
_lock = threading.Lock()  # warnings and Pillow's limit belong to the whole process, and files are read by threads


def identified(path: Path | str) -> Image.Image:
    """A picture file, not yet decoded; Pillow's own errors if it is none."""
    with _alone():
        return Image.open(path, formats=_FORMATS)


def upright(picture: Image.Image) -> Image.Image:
    """The picture decoded, and turned as its EXIF orientation says."""
    stored = orientation(picture)  # before decoding: a PNG may hold EXIF data behind its pixels
    picture.load()
    if picture.format == "TIFF":  # which Pillow may have turned itself
        stored = orientation(picture)
    turn = _UPRIGHT.get(stored)
    return picture if turn is None else picture.transpose(turn)


def turned(pixels: Shaped[np.ndarray, "H W *C"], orientation: int) -> Shaped[np.ndarray, "..."]:
    """Stored pixels upright, by their EXIF orientation."""
    if orientation in SIDEWAYS:
        pixels = np.swapaxes(pixels, 0, 1)  # what is left are mirrors of rows and columns
    return pixels[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]


def cropped(picture: Image.Image, window: Window) -> Image.Image:
    """A window of a picture."""
    rows, columns = window
    return picture.crop((columns.start, rows.start, columns.stop, rows.stop))


def pixels_of(picture: Image.Image) -> Shaped[np.ndarray, "H W *C"]:
    """Grey as it is stored; everything else as RGB."""
    if picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;"):
        return np.array(picture)
    if picture.mode in ("LA", "La"):
        return np.array(picture)[:, :, 0]
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")  # Pillow warns when a palette with transparency goes straight to RGB
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 … 8; 1 (upright) if there is none."""
    if picture.format == "PNG" and not {"exif", "Raw profile type exif"} & picture.info.keys():
        return 1  # Pillow would decode the whole file to look for EXIF data behind the pixels
    with _alone():
        return picture.getexif().get(_ORIENTATION, 1)


@contextmanager
def _alone() -> Iterator[None]:
    """Pillow without warnings and without its own limit of pixels, which is one for the whole process."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
