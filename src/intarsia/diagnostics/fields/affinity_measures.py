"""Numbers of an affinity field against a true mask: what stays inside a segment, and whether edges lie on borders."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt, label

from intarsia.diagnostics.uncertainty import border_distance
from intarsia.shapes import Mask

FAR = 4  # pixels: what a map at stride 4 cannot tell from the border

Point = tuple[int, int]


class Inside(NamedTuple):
    """Parts of one pixel's affinities above zero.

    Args:
        kept: those inside its segment.
        blind: what would be inside if each pixel had the mean of those that are as far away from the chosen one.
    """

    kept: float
    blind: float


def segment_of(mask: Mask, point: Point) -> Bool[np.ndarray, "H W"]:
    """The pixels of the same class that hang together with a pixel, corners included.

    >>> segment_of(np.array([[1, 1, 0, 1]], np.uint8), (0, 0)).tolist()
    [[True, True, False, False]]
    """
    parts = np.asarray(label(mask == mask[point[1], point[0]], np.ones((3, 3)))[0])  # type: ignore[index]
    return parts == parts[point[1], point[0]]


def inside(affinities: Float[np.ndarray, "H W"], segment: Bool[np.ndarray, "H W"], point: Point) -> Inside | None:
    """How much of a pixel's affinities stays in its segment; None if none is above zero.

    Distances are rounded to whole pixels.

    >>> segment = np.array([[False, True, True, True]])
    >>> inside(np.array([[0.0, 0.2, 0.6, 0.2]]), segment, (2, 0))
    Inside(kept=1.0, blind=1.0)
    >>> inside(np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([[False, False, True, True]]), (2, 0))
    Inside(kept=1.0, blind=0.75)
    """
    positive = np.clip(affinities, 0, None)
    rows, columns = np.indices(positive.shape)
    distance = np.hypot(rows - point[1], columns - point[0]).round().astype(int).ravel()
    sums = np.bincount(distance, positive.ravel())
    within = np.bincount(distance, segment.ravel()) / np.maximum(np.bincount(distance), 1)
    total = sums.sum()
    if total == 0:
        return None
    return Inside(float(positive[segment].sum() / total), float((sums * within).sum() / total))


class Contrast(NamedTuple):
    """Mean edges on the true mask's borders, and farther than ``FAR`` pixels from all of them."""

    on_borders: float
    elsewhere: float


def contrast(edges: Float[np.ndarray, "H W"], mask: Mask, ignore: int) -> Contrast | None:
    """None where the mask has no border, or nothing beside its borders.

    Bands of pixels to ignore, as VOC has them along borders, are divided between their sides; what lies farther than
    ``FAR`` pixels inside such a region is no border.

    >>> mask = np.repeat(np.array([[0] * 6 + [1] * 6], np.uint8), 2, axis=0)
    >>> contrast((np.abs(np.arange(12) - 5.5) < 1) * np.ones((2, 1)), mask, 255)
    Contrast(on_borders=1.0, elsewhere=0.0)
    """
    known = mask != ignore
    if not known.any():
        return None
    gap, nearest = distance_transform_edt(~known, return_indices=True)  # type: ignore[misc]
    distance = border_distance(mask[tuple(nearest)])
    on, off = (distance == 0) & (gap <= FAR), known & (distance > FAR)
    if not (on.any() and off.any()):
        return None
    return Contrast(float(edges[on].mean()), float(edges[off].mean()))
