"""What the dense CRF is given, checked, and as it reads it: log probabilities and features of each position."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Shaped

from intarsia.energies.levels import Levels, levels_of
from intarsia.errors import ArgumentError

_LEAST = np.float32(1e-5)  # a probability below it is taken for this, as pydensecrf does: a network's 0 is no proof
_SUM_TOLERANCE = 0.01  # half floats of 255 classes are off by less; scores that were never normalised by more
_AT_ONCE = 1 << 16  # positions

Size = tuple[int, ...]


def check_shapes(probabilities: Shaped[np.ndarray, "..."], size: Size | None) -> None:
    """Of probabilities alone, and beside a grid that is known already.

    Raises:
        ArgumentError: they are no K×grid, K is not from 2 to 255, or the grid is another.
    """
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
            f"`probabilities` (of shape {shape}) must be (K, {', '.join(map(str, size))}), as the image: "
            "resize one of them."
        )


def log_probabilities(probabilities: Float[np.ndarray, "K *size"], result: Float32[np.ndarray, "N K"]) -> None:
    """Written to `result`, position by position, clipped at 1e-5.

    Raises:
        ArgumentError: one is not finite or negative, or they do not sum to one within 0.01.
    """
    filled = 0
    for first, rows in _portions(probabilities):
        columns = rows.reshape(len(rows), -1)
        _check_values(columns, first * (columns.shape[1] // rows.shape[1]), probabilities.shape[1:])
        part = result[filled : filled + columns.shape[1]]
        np.clip(columns.T, _LEAST, 1, out=part, casting="same_kind")
        np.log(part, out=part)
        filled += columns.shape[1]


def _portions(probabilities: Float[np.ndarray, "K *size"]) -> Iterator[tuple[int, Float[np.ndarray, "K rows *rest"]]]:
    """Some rows at a time, so that no copy of the whole is made; with the number of the first."""
    positions = int(np.prod(probabilities.shape[2:]))
    step = max(1, _AT_ONCE // positions)
    for first in range(0, probabilities.shape[1], step):
        yield first, probabilities[:, first : first + step]


def _check_values(columns: Float[np.ndarray, "K n"], first: int, size: Size) -> None:
    sums = columns.sum(axis=0, dtype=np.float64)
    if columns.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE:  # both are false for NaN
        return
    wrong = ~(np.isfinite(columns) & (columns >= 0))
    if wrong.any():
        position, k = np.argwhere(wrong.T)[0]
        raise ArgumentError(
            f"`probabilities` are {columns[k, position]} for class {k} at {place_of(first + position, size)}; they "
            "must be finite and not negative: pass the softmax of logits, and clip what was interpolated."
        )
    position = int((np.abs(sums - 1) > _SUM_TOLERANCE).argmax())
    raise ArgumentError(
        f"`probabilities` sum to {sums[position]:.4g} at {place_of(first + position, size)}; they must sum to 1 within "
        f"{_SUM_TOLERANCE}: divide them by their sum over the classes, where it is 0 by 1 / K each."
    )


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
    features = np.empty((len(pixels), axes + pixels.shape[1]), np.float32)
    grid = features.reshape(*size, -1)
    for axis in range(axes):
        steps = np.arange(size[axis], dtype=np.float32) / np.float32(sxy)
        grid[..., axes - 1 - axis] = steps.reshape(-1, *[1] * (axes - 1 - axis))
    np.divide(pixels, np.float32(srgb), out=features[:, axes:])
    return features
