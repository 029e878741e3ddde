"""What the dense CRF is given, checked, and as it reads it: log probabilities and features of each position."""

from collections.abc import Iterable
from numbers import Integral

import numpy as np
from jaxtyping import Float, Float32, Shaped

from intarsia.energies.levels import Levels, levels_of
from intarsia.errors import ArgumentError
from intarsia.kernels.mean_field.probabilities import are_probabilities

_LEAST = np.float32(1e-5)  # a probability below it is taken for this, as pydensecrf does: a network's 0 is no proof
_SUM_TOLERANCE = 0.01  # half floats of 255 classes are off by less; scores that were never normalised by more
_AT_ONCE = 1 << 16  # positions
_FLAT = 1e30  # a σ from here on makes features 0 beside each other; float32 ends at 3e38

Size = tuple[int, ...]


def size_of(size: object, image: Shaped[np.ndarray, "..."] | None) -> Size:
    """Of the grid: as it is given, or the image's rows and columns.

    Raises:
        ArgumentError: neither is given, or one is no size.

    >>> size_of(None, np.zeros((4, 6, 3)))
    (4, 6)
    """
    if size is None:
        if image is None:
            raise ArgumentError("Neither `image` nor `size` is given; pass the image, or the grid's size for none.")
        if not np.shape(image) or 0 in np.shape(image):
            raise ArgumentError(
                f"`image` has the shape {np.shape(image)}; it must be (H, W) or (H, W, C), none of them 0."
            )
        return np.shape(image)[:2]
    lengths = tuple(size) if isinstance(size, Iterable) else ()
    if not 1 <= len(lengths) <= 3 or not all(isinstance(length, Integral) and int(length) >= 1 for length in lengths):
        raise ArgumentError(
            f"`size` (={size}) must be one, two or three whole numbers from 1 on, such as (height, width)."
        )
    return tuple(int(length) for length in lengths)


def check_shapes(probabilities: object, size: Size | None) -> None:
    """Of probabilities alone, and beside a grid that is known already.

    Raises:
        ArgumentError: they are no array K×grid, K is not from 2 to 255, or the grid is another.
    """
    if not isinstance(probabilities, np.ndarray):
        raise ArgumentError(
            f"`probabilities` are a {type(probabilities).__name__} and must be a NumPy array: pass np.array(…), or "
            "of a tensor `tensor.numpy(force=True)`."
        )
    shape = probabilities.shape
    if not 2 <= len(shape) <= 4 or 0 in shape:
        raise ArgumentError(
            f"`probabilities` have the shape {shape}; they must be (K, N), (K, H, W) or (K, D, H, W), and none of them "
            "0."
        )
    if shape[0] == 1:
        raise ArgumentError(
            "`probabilities` hold 1 class, and there must be at least 2: with the probability p of an object, pass "
            "both classes, np.stack([1 - p, p])."
        )
    if shape[0] > 255:
        raise ArgumentError(
            f"`probabilities` (of shape {shape}) hold {shape[0]} classes, and at most 255 are possible: classes come "
            "first, (K, H, W)."
        )
    if probabilities.dtype.kind != "f":
        raise ArgumentError(
            f"`probabilities` hold {probabilities.dtype}; they must be floats that sum to one: divide them."
        )
    if size is not None and shape[1:] != size:
        raise ArgumentError(
            f"`probabilities` (of shape {shape}) must be (K, {', '.join(map(str, size))}), the grid of this CRF: "
            "resize them, or make a CRF of their size."
        )


def check_beside(shape: Size, image: Shaped[np.ndarray, "..."]) -> None:
    """Whether probabilities of this shape are of an image of that one.

    Raises:
        ArgumentError: they are not; it says what is probably meant.
    """
    rows, grid = image.shape[:2], shape[1:]
    if image.shape[: len(grid)] == grid and image.ndim <= len(grid) + 1:
        return
    if shape == rows:
        remedy = "of the probability p of one object pass both classes, np.stack([1 - p, p])"
    elif shape[:-1] == rows:
        remedy = "classes come first: np.moveaxis(probabilities, -1, 0)"
    elif len(grid) == 1 and len(rows) == 2 and grid[0] == rows[0] * rows[1]:
        remedy = f"give them rows and columns again: probabilities.reshape({shape[0]}, {rows[0]}, {rows[1]})"
    else:
        remedy = "resize one of them"
    raise ArgumentError(
        f"`probabilities` (of shape {shape}) must be (K, H, W) beside an `image` (of shape {image.shape}) of "
        f"(H, W) or (H, W, C): {remedy}."
    )


def checked_planes(probabilities: Float[np.ndarray, "K *size"]) -> Float32[np.ndarray, "K *size"]:
    """Themselves if they are float32 side by side and can be written to (which nobody does), or a copy that is.

    Raises:
        ArgumentError: one is not finite or negative, or they do not sum to one within 0.01.
    """
    planes = np.require(probabilities, np.float32, ["C", "W"])
    if not are_probabilities(planes.reshape(len(planes), -1), np.float32(_SUM_TOLERANCE)):
        _refuse(probabilities)
    return planes


def _refuse(probabilities: Float[np.ndarray, "K *size"]) -> None:
    """Name the first position that is wrong."""
    size = probabilities.shape[1:]
    with np.errstate(invalid="ignore"):  # infinities of both signs
        wrong = ~(np.isfinite(probabilities) & (probabilities >= 0))
        sums = probabilities.sum(axis=0, dtype=np.float64)
    if wrong.any():
        index = int(wrong.any(axis=0).argmax())
        k = int(wrong.reshape(len(wrong), -1)[:, index].argmax())
        value = probabilities[(k, *np.unravel_index(index, size))]
        raise ArgumentError(
            f"`probabilities` are {value} for class {k} at {place_of(index, size)}; they must be finite and not "
            "negative: pass the softmax of logits, and clip what was interpolated."
        )
    index = int((np.abs(sums - 1)).argmax())
    raise ArgumentError(
        f"`probabilities` sum to {sums.flat[index]:.4g} at {place_of(index, size)}; they must sum to 1 within "
        f"{_SUM_TOLERANCE}: divide them by their sum over the classes; where it is 0, give 1 / K each."
    )


def log_probabilities(planes: Float32[np.ndarray, "K *size"], result: Float32[np.ndarray, "N K"]) -> None:
    """Written to `result`, position by position, clipped at 1e-5; some at a time, for there may be many."""
    columns = planes.reshape(len(planes), -1)
    for first in range(0, len(result), _AT_ONCE):
        part = result[first : first + _AT_ONCE]
        np.clip(columns[:, first : first + _AT_ONCE].T, _LEAST, 1, out=part)
        np.log(part, out=part)


def place_of(index: int, size: Size) -> str:
    """A position of a grid, in words.

    >>> place_of(7, (3, 5))
    'row 1, column 2'
    """
    found = tuple(int(part) for part in np.unravel_index(index, size))
    return f"row {found[0]}, column {found[1]}" if len(found) == 2 else f"position {', '.join(map(str, found))}"


def levels_on_grid(image: Shaped[np.ndarray, "..."], size: Size) -> Levels:
    """Of an image (*size) or (*size, C), as one of two dimensions whose pixels come in the same order.

    Raises:
        ArgumentError: it has another shape, or samples that are no finite numbers.
    """
    if image.shape[: len(size)] != size or image.ndim > len(size) + 1:
        grid = ", ".join(map(str, size))
        raise ArgumentError(
            f"`image` (of shape {image.shape}) must be ({grid}) or ({grid}, C); resize it, or move its axes."
        )
    if len(size) != 2 and image.dtype.kind == "f" and not (finite := np.isfinite(image)).all():
        index = int((~finite).reshape(int(np.prod(size)), -1).any(axis=1).argmax())
        raise ArgumentError(
            f"`image` is not finite at {place_of(index, size)}; samples must be numbers: fill it in, or crop it away."
        )
    return levels_of(image if len(size) == 2 else image.reshape(1, -1, *image.shape[len(size) :]))


def appearance_features(levels: Levels, size: Size, sxy: float, srgb: float) -> Float32[np.ndarray, "N d"]:
    """Positions and levels in standard deviations.

    The last axis comes first, as in pydensecrf: the lattice is not the same along all axes, and so it errs alike.
    """
    pixels, axes = levels.pixels, len(size)
    sxy, srgb = min(sxy, _FLAT), min(srgb, _FLAT)
    features = np.empty((len(pixels), axes + pixels.shape[1]), np.float32)
    grid = features.reshape(*size, -1)
    for axis in range(axes):
        steps = np.arange(size[axis], dtype=np.float32) / np.float32(sxy)
        grid[..., axes - 1 - axis] = steps.reshape(-1, *[1] * (axes - 1 - axis))
    np.divide(pixels, np.float32(srgb), out=features[:, axes:])
    return features
