"""Strokes of a brush, and what they did to a trimap, to be undone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int, UInt8

from intarsia.energies.mixtures import Mixtures
from intarsia.energies.trimap import Trimap
from intarsia.errors import ArgumentError


def covered(points: Iterable[tuple[float, float]], radius: float, size: tuple[int, int]) -> Int[np.ndarray, " n"]:
    """The places (row · W + column) of an image with `size` rows and columns that a round brush touches.

    Points are ``(x, y)`` in pixels, whole numbers being centres, and are joined by straight lines. Touched are pixels
    whose centres lie at most `radius` away from the line, and the pixels that the points lie in.

    Raises:
        ArgumentError: there is no point, one is no pair of finite numbers, or the radius is negative.

    >>> covered([(1, 0), (3, 0)], 0, (2, 5)).tolist()
    [1, 2, 3]
    """
    path = _path(points)
    if not 0 <= radius < math.inf:
        raise ArgumentError(f"`radius` (={radius}) must be a number of pixels from 0 on.")
    height, width = size
    low = np.maximum(np.floor(path.min(axis=0) - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(path.max(axis=0) + radius + 1), (width - 1, height - 1)).astype(int)
    if (low > high).any():
        return np.empty(0, np.int64)
    touched = np.zeros(tuple(high - low + 1)[::-1], np.bool_)
    for start, stop in zip(path[: max(1, len(path) - 1)], path[min(1, len(path) - 1) :], strict=True):
        _draw(touched, start - low, stop - low, radius)
    rows, columns = np.nonzero(touched)
    return (rows + low[1]) * width + columns + low[0]


def _path(points: Iterable[tuple[float, float]]) -> np.ndarray:
    listed = list(points)
    try:
        path = np.array(listed, np.float64)
    except (TypeError, ValueError):  # other things than numbers, or pairs of several lengths
        path = np.empty((0, 0))
    if path.ndim != 2 or path.shape[-1] != 2 or not np.isfinite(path).all():
        raise ArgumentError(f"`points` (={listed[:3]!r} …) must be pairs (x, y) of finite numbers, at least one.")
    return path


def _draw(touched: Bool[np.ndarray, "h w"], start: np.ndarray, stop: np.ndarray, radius: float) -> None:
    """One straight line, looked at within its own bounding box."""
    low = np.maximum(np.floor(np.minimum(start, stop) - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, stop) + radius + 2), touched.shape[::-1]).astype(int)
    if (low >= high).any():
        return
    x, y = np.arange(low[0], high[0]) - start[0], np.arange(low[1], high[1])[:, None] - start[1]
    along, across = stop - start
    length = along * along + across * across
    share = np.clip((x * along + y * across) / length, 0, 1) if length > 0 else 0.0
    near = np.square(x - share * along) + np.square(y - share * across) <= radius * radius + 1e-9
    touched[low[1] : high[1], low[0] : high[0]] |= near
    for column, row in (np.rint(start), np.rint(stop)):
        if 0 <= row < touched.shape[0] and 0 <= column < touched.shape[1]:
            touched[int(row), int(column)] = True


@dataclass
class Edit:
    """A change of a trimap at some places, or anywhere if `places` is None.

    A change after which colours were learned also keeps the mixtures on both sides of it.
    """

    places: Int[np.ndarray, " n"] | None
    before: UInt8[np.ndarray, "..."]
    after: UInt8[np.ndarray, "..."]
    learned: bool = False
    mixtures_before: Mixtures | None = None
    mixtures_after: Mixtures | None = None

    def write(self, trimap: Trimap, codes: UInt8[np.ndarray, "..."]) -> None:
        """Into the trimap, either what was before or what came after."""
        if self.places is None:
            trimap[:] = codes
        else:
            trimap.reshape(-1)[self.places] = codes


@dataclass
class History:
    """What was done, and what was undone since."""

    done: list[Edit] = field(default_factory=list)
    undone: list[Edit] = field(default_factory=list)

    def add(self, edit: Edit) -> None:
        """A new edit; what was undone is forgotten."""
        self.done.append(edit)
        self.undone.clear()
