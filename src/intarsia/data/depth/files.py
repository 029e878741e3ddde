"""Depth files become metres, 0 where nothing is known, and back."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image

from intarsia.data.decoding import MAX_PIXELS, read_pixels
from intarsia.data.listing import read_text
from intarsia.errors import ArgumentError, DataError
from intarsia.files import atomic
from intarsia.shapes import Window

Depth = Float32[np.ndarray, "H W"]
DEPTH_EXTENSIONS = frozenset({".png", ".tif", ".tiff", ".npy"})
UNIT_FILE, UNIT, CAMERA = "depth.json", "metres_per_value", "camera"
MILLIMETRE = 0.001

_LARGEST = 65535
_SPELLED_ALIKE = 0.75  # as `metres_per_unit` is like the unit's key; `camera_model` is less like the camera's


def read_depth(
    path: Path | str, unit: float | None = None, window: Window | None = None, max_pixels: int = MAX_PIXELS
) -> Depth:
    """The depths in a file or a window of it, in metres; 0 where none is known, as are 0, NaN and ∞ in the file.

    Whole numbers (16-bit PNG or TIFF, NPY) count `unit` metres each; floats (NPY, TIFF) are metres, whatever it is.

    Raises:
        DataError: the file cannot be read, has 8 bits or several bands, holds whole numbers without a unit, a negative
            depth, or, read whole, no depth at all.
    """
    stored = read_pixels(path, window, max_pixels)
    complaint = kind_complaint(path, stored.dtype, stored.shape[2] if stored.ndim == 3 else 1, unit)
    if complaint:
        raise DataError(complaint)
    depth = stored.astype(np.float32) * np.float32(metres_of(stored.dtype, unit))
    depth[~np.isfinite(depth)] = 0
    complaint = value_complaint(path, float(depth.min(initial=0)), window is not None or bool(depth.any()))
    if complaint:
        raise DataError(complaint)
    return depth


def metres_of(dtype: np.dtype, unit: float | None) -> float:
    """How many metres a stored number is: `unit` if it is whole, 1 if it is a float.

    >>> metres_of(np.dtype("uint16"), 0.001), metres_of(np.dtype("float32"), 0.001)
    (0.001, 1.0)
    """
    return 1.0 if unit is None or dtype.kind == "f" else unit


def kind_complaint(path: Path | str, dtype: np.dtype, bands: int, unit: float | None) -> str | None:
    """The sentence about numbers that cannot be depths; None if they can."""
    if bands != 1:
        return f"`{path}` has {bands} bands, but depth has one: save it as a 16-bit PNG, a float TIFF or NPY."
    if dtype.itemsize == 1:
        return (
            f"`{path}` has 8 bits, too few for depth, and looks like a picture of one: save it as a 16-bit PNG, a "
            "float TIFF or NPY."
        )
    if unit is None and dtype.kind != "f":
        return (
            f"`{path}` holds whole numbers, and nothing says how many metres one is: write "
            f'{{"{UNIT}": {MILLIMETRE}}} into {UNIT_FILE} beside images/ and depth/ if they are millimetres.'
        )
    return None


def value_complaint(path: Path | str, least: float, any_known: bool) -> str | None:
    """The sentence about depths that none can have, or that are all unknown; `least` in metres."""
    if least < 0:
        return (
            f"`{path}` holds the depth {least:g} m, but depths are above 0, or 0 where none is known: correct it or "
            "leave the file out."
        )
    if not any_known:
        return f"`{path}` holds no depth at all, only 0, NaN or ∞ for unknown ones: replace it or leave it out."
    return None


def read_stated(root: Path) -> dict[str, Any]:
    """What a folder's depth.json states: a unit, a camera, or both; nothing without such a file.

    Raises:
        DataError: the file is no JSON object, or has a key that is spelled almost like one of these; others are the
            user's own.
    """
    path = root / UNIT_FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f'`{path}` is no JSON ({error}): write such as {{"{UNIT}": {MILLIMETRE}}}.') from None
    if not isinstance(content, dict):
        raise DataError(f'`{path}` is no JSON object: write such as {{"{UNIT}": {MILLIMETRE}}}.')
    for key in content:
        near = get_close_matches(key, (UNIT, CAMERA), n=1, cutoff=_SPELLED_ALIKE)
        if near and key != near[0]:
            raise DataError(f"`{path}` has the key `{key}`, which is not read: call it `{near[0]}`, or another name.")
    return content


def read_unit(root: Path) -> float | None:
    """The unit that a folder's depth.json states; None without such a file, or if it states a camera alone.

    Raises:
        DataError: the file does not state one.
    """
    path, content = root / UNIT_FILE, read_stated(root)
    if UNIT not in content and (CAMERA in content or not path.is_file()):
        return None
    unit = content.get(UNIT)
    if isinstance(unit, bool) or not isinstance(unit, (int, float)) or not 0 < unit < np.inf:
        raise DataError(
            f'`{path}` does not state a unit above 0: write {{"{UNIT}": {MILLIMETRE}}} if a value is a millimetre.'
        )
    return float(unit)


def read_beside(path: Path, max_pixels: int = MAX_PIXELS) -> Depth:
    """The depths in a file, whose unit depth.json states beside it or one folder above, as in :func:`read_depth`.

    Raises:
        DataError: the file cannot be read, or holds whole numbers without a unit.
    """
    units = map(read_unit, (path.parent, path.absolute().parent.parent))
    return read_depth(path, next((unit for unit in units if unit is not None), None), max_pixels=max_pixels)


def write_depth(path: Path | str, depth: Depth, unit: float = MILLIMETRE) -> None:
    """Write depths in metres as a 16-bit PNG of `unit` metres a value, rounded; 0 where none is known.

    A known depth is never rounded to 0: the nearest that is written is one unit. The file appears whole or not at all.

    Raises:
        ArgumentError: a depth is negative, not finite, or too far for 16 bits of this unit.
    """
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise ArgumentError(f"The depths for `{path}` must be metres from 0 on, and finite: put 0 where none is known.")
    values = np.maximum(np.rint(depth.astype(np.float64) / unit), depth > 0)
    if values.max(initial=0) > _LARGEST:
        raise ArgumentError(
            f"The depth {depth.max():g} m for `{path}` is more than 16 bits hold at {unit:g} m a value: use a larger "
            f"`unit`, such as {2.0 ** np.ceil(np.log2(float(depth.max()) / _LARGEST)):g}."
        )
    with atomic(path) as temporary:
        Image.fromarray(values.astype(np.uint16)).save(temporary, format="PNG")
