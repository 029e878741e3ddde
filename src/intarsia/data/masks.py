"""Mask files become arrays of class indices, and back."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer, Shaped, UInt8
from PIL import Image

from intarsia.data.classes import Classes
from intarsia.data.decoding import MAX_PIXELS, plain_picture, read_pixels
from intarsia.data.spelling import Spelling
from intarsia.errors import ArgumentError, DataError
from intarsia.files import atomic
from intarsia.shapes import IGNORE, IGNORE_UINT16, Mask, Window

MASK_EXTENSIONS = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp", ".npy"})

_INDEX_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "LA", "PA")


def read_mask(
    path: Path | str,
    classes: Classes,
    window: Window | None = None,
    max_pixels: int = MAX_PIXELS,
    spelling: Spelling | None = None,
) -> Mask:
    """The class indices in a mask file or a window of it, spelled as `classes.encoding` says.

    The `spelling` of a published set is undone first.

    Where no class is stands `classes.ignore`.

    In index files 65535 means ignore, and so does 255 unless it is a class.

    Raises:
        DataError: the file cannot be read, or a value or colour is none of the classes'.
    """
    pixels = decode_mask(path, window, max_pixels, spelling)
    if classes.encoding == "colour":
        return _from_colours(pixels, classes, path)
    if pixels.ndim == 3:
        raise DataError(
            f"`{path}` holds RGB colours, but its classes are spelled as `{classes.encoding}`: save it as class "
            f"indices, or state the encoding `colour` in classes.json."
        )
    if classes.encoding == "binary":
        return _from_binary(pixels, path)
    return _from_indices(pixels, classes, path)


def decode_mask(
    path: Path | str, window: Window | None = None, max_pixels: int = MAX_PIXELS, spelling: Spelling | None = None
) -> Shaped[np.ndarray, "..."]:
    """The pixels of a mask file or a window of it.

    They are (H, W) indices (a palette's, too) or (H, W, 3) uint8 colours; one-bit files are bool. With a `spelling`
    they are class indices.

    Raises:
        DataError: the file cannot be read, is too large, holds fractions or other than one or three bands, or breaks
            the spelling.
    """
    pixels = _stored(path, window, max_pixels)
    return pixels if spelling is None else spelling.indices(pixels, path)


def _stored(path: Path | str, window: Window | None, max_pixels: int) -> Shaped[np.ndarray, "..."]:
    with plain_picture(path, window, max_pixels) as picture:
        if picture is None:
            pixels = None
        elif picture.mode in _INDEX_MODES:
            pixels = np.array(picture)
            pixels = pixels[:, :, 0] if pixels.ndim == 3 else pixels  # LA and PA: without alpha
        else:
            pixels = np.array(picture if picture.mode == "F" else picture.convert("RGB"))
    if pixels is None:
        pixels = read_pixels(path, window, max_pixels)
    if pixels.ndim == 3 and (pixels.shape[2] != 3 or pixels.dtype != np.uint8):
        raise DataError(
            f"`{path}` has {pixels.shape[2]} bands of {pixels.dtype}, but a mask has one of class indices, or RGB "
            f"colours of 8 bits: save it as an 8-bit PNG."
        )
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or np.abs(pixels).max(initial=0) > 2**31 or (pixels != np.rint(pixels)).any():
            raise DataError(f"`{path}` holds fractions, which are no class indices: save it as an 8-bit PNG.")
        pixels = pixels.astype(np.int64)  # whole numbers that were only stored so
    return pixels


def write_mask(path: Path | str, mask: Integer[np.ndarray, "H W"], classes: Classes) -> None:
    """Write a mask as an index PNG with the classes' palette embedded; 16 bits, without palette, above 254 classes.

    The file appears whole or not at all.

    Raises:
        ArgumentError: a value of the mask is no class and not ignore.
    """
    stray = _stray_value(mask, classes)
    if stray is not None:
        raise ArgumentError(
            f"The mask for `{path}` holds {stray}, but there are {classes.count} classes (0 … {classes.count - 1}) and "
            f"ignore ({classes.ignore}): correct the mask."
        )
    picture = Image.fromarray(np.ascontiguousarray(mask, classes.dtype))
    if classes.dtype == np.uint8:
        picture.putpalette(classes.palette().tobytes())
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG")


def _from_indices(pixels: Shaped[np.ndarray, "H W"], classes: Classes, path: Path | str) -> Mask:
    known = pixels < classes.count  # of unsigned bytes, the usual case
    if pixels.dtype == classes.dtype == np.uint8 and (known | (pixels == IGNORE)).all():
        return pixels
    ignored = pixels == IGNORE_UINT16
    if classes.count <= IGNORE:
        ignored |= pixels == IGNORE
    stray = ~ignored & ((pixels < 0) | (pixels >= classes.count))
    if stray.any():
        raise DataError(
            f"`{path}` holds the value {int(pixels[stray][0])}, but there are {classes.count} classes, 0 … "
            f"{classes.count - 1} (and {classes.ignore}: ignore): correct the mask or add the class to classes.json."
        )
    mask = pixels.astype(classes.dtype)
    mask[ignored] = classes.ignore
    return mask


def _from_binary(pixels: Shaped[np.ndarray, "H W"], path: Path | str) -> UInt8[np.ndarray, "H W"]:
    foreground = pixels if pixels.dtype == bool else pixels == 255
    stray = ~foreground & (pixels != 0)
    if stray.any():
        raise DataError(
            f"`{path}` holds the value {int(pixels[stray][0])}, but a binary mask holds 0 and 255 only: correct the "
            f"mask, or state the encoding `index` in classes.json."
        )
    return foreground.astype(np.uint8)


def _from_colours(pixels: Shaped[np.ndarray, "..."], classes: Classes, path: Path | str) -> Mask:
    if pixels.ndim == 2:
        raise DataError(
            f"`{path}` holds indices, but its classes are spelled as RGB colours: save it as RGB, or state the "
            f"encoding `index` in classes.json."
        )
    codes = _code(np.array(classes.colours))
    order = np.argsort(codes)
    wanted = _code(pixels)
    nearest = np.searchsorted(codes[order], wanted).clip(max=classes.count - 1)
    stray = codes[order][nearest] != wanted
    if stray.any():
        colour = tuple(int(c) for c in pixels[stray][0])
        raise DataError(
            f"`{path}` holds the colour {colour}, which is none of the {classes.count} classes' colours: correct the "
            f"mask or add the colour to classes.json."
        )
    return order.astype(classes.dtype)[nearest]


def _code(colours: Integer[np.ndarray, "*N 3"]) -> Int[np.ndarray, "*N"]:
    """One integer a colour, in the order of (red, green, blue)."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _stray_value(mask: Integer[np.ndarray, "H W"], classes: Classes) -> int | None:
    stray = mask[(mask < 0) | (mask >= classes.count) & (mask != classes.ignore)]
    return int(stray[0]) if stray.size else None
