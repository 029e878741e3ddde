"""Picture files become uint8 RGB arrays."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from intarsia.errors import DataError, IntarsiaError
from intarsia.shapes import RGBImage

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"})

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
_SIDEWAYS = (5, 6, 7, 8)  # those that swap rows and columns
_warnings_lock = threading.Lock()  # `catch_warnings` changes the whole process, and masks are scanned by threads


def read_image(path: Path | str) -> RGBImage:
    """The picture in a file, upright as its EXIF orientation says.

    Grey is repeated in three channels, palettes are looked up, alpha is dropped. Grey of more than 8 bits is scaled by
    its depth: values up to 255 stay, up to 4095 are 12-bit, others 16-bit; the depth is told from the largest value.

    Raises:
        DataError: the file is missing, truncated, no image, too large for Pillow's limit, or holds fractions or values
            beyond 16 bits.
    """
    with opened(path) as picture:
        if picture.mode[0] in "IF":
            grey = _to_8_bits(np.asarray(picture), path)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if "transparency" in picture.info:
            picture = picture.convert("RGBA")  # Pillow warns when a palette with transparency goes straight to RGB
        return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def image_size(path: Path | str) -> tuple[int, int]:
    """Rows and columns of a picture as `read_image` returns it, from the file's header alone.

    Raises:
        DataError: the file is missing or no image.
    """
    with opened(path, decode=False) as picture:
        columns, rows = picture.size
        return (columns, rows) if _orientation(picture) in _SIDEWAYS else (rows, columns)


@contextmanager
def opened(path: Path | str, decode: bool = True) -> Iterator[Image.Image]:
    """A picture file, decoded and upright, or just its header; Pillow's exceptions and warnings become one sentence.

    Raises:
        DataError: the file is missing, truncated, no image, or has more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    try:
        with _without_warnings():
            picture = Image.open(path)
        with picture:
            if decode:
                picture.load()
            turn = _UPRIGHT.get(_orientation(picture)) if decode else None
            yield picture if turn is None else picture.transpose(turn)
    except IntarsiaError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(
            f"`{path}` has more pixels than Pillow's limit of {Image.MAX_IMAGE_PIXELS} allows: cut it into tiles, or, "
            f"if you trust the file, raise `PIL.Image.MAX_IMAGE_PIXELS`."
        ) from None
    except Exception as error:  # decoders let almost anything through when bytes are broken
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"`{path}` cannot be read ({error.strerror}): mend the path or leave it out.") from error
        reason = str(error).replace(repr(str(path)), "the file") or type(error).__name__
        raise DataError(f"`{path}` is truncated or not an image ({reason}): replace it or leave it out.") from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow's warnings are not shown, except that too many pixels raise one."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 … 8; 1 (upright) if there is none."""
    if picture.format == "PNG" and not {"exif", "Raw profile type exif"} & picture.info.keys():
        return 1  # Pillow would decode the whole file to look for EXIF data behind the pixels
    with _without_warnings():
        return picture.getexif().get(_ORIENTATION, 1)


def _to_8_bits(grey: Shaped[np.ndarray, "H W"], path: Path | str) -> UInt8[np.ndarray, "H W"]:
    if grey.dtype.kind == "f":
        raise DataError(f"`{path}` holds fractions: save it with 8 or 16 bits a channel.")
    least, largest = int(grey.min()), int(grey.max())
    if least < 0 or largest > 65535:
        raise DataError(f"`{path}` holds values from {least} to {largest}: save it with 8 or 16 bits a channel.")
    if largest <= 255:
        return grey.astype(np.uint8)
    full_scale = 4095 if largest <= 4095 else 65535
    return np.round(grey * np.float32(255 / full_scale)).astype(np.uint8)
