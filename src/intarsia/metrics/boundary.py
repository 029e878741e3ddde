"""Scores of borders: where a segmentation is right or wrong by a few pixels, which a mean IoU hardly notices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from intarsia.errors import ArgumentError
from intarsia.metrics.confusion import confusion_matrix
from intarsia.metrics.scores import Scores
from intarsia.shapes import IGNORE, Mask

RADII = (1.0, 2.0, 3.0, 5.0)
BOUNDARY_RULE = (
    "Contours are those of each class, counted over the whole set, none beside ignored pixels; a class without a true "
    "or predicted contour is excluded from the mean."
)


@dataclass(frozen=True, eq=False)
class BoundaryScores:
    """Boundary F and trimap IoU of a set of images, at one or more distances in pixels.

    Of a class, precision is the share of its predicted contour that lies within ``radius`` of its true one, recall the
    share of its true contour within ``radius`` of the predicted one, and F their harmonic mean (Csurka et al., BMVC
    2013; DAVIS, Perazzi et al., CVPR 2016). Both papers take F image by image and average that; here contours are
    counted over the set, as pixels are for the mean IoU, so that a class needs no rule for images that do not hold it,
    and a long border weighs more than a short one. A class with a contour on one side only has F = 0, one without any
    is nan and excluded.

    Trimap IoU is the mean IoU of the pixels nearer than ``radius`` to a true contour pixel (Kohli et al., IJCV 2009;
    Krähenbühl & Koltun, NIPS 2011): a band of 2 · ``radius`` pixels, half of it on either side of a border.

    Attributes:
        names: the K class names.
        radii: the R distances, as they were given.
        lengths: pixels of each class's contour, true (0) and predicted (1).
        matched: how many of them lie within each radius of the other side's.
        near: the confusion matrix of the pixels near true contours, for each radius.
    """

    names: tuple[str, ...]
    radii: tuple[float, ...]
    lengths: Int64[np.ndarray, "2 K"]
    matched: Int64[np.ndarray, "R 2 K"]
    near: Int64[np.ndarray, "R K K"]

    @classmethod
    def nothing(cls, names: Sequence[str], radii: Sequence[float] = RADII) -> "BoundaryScores":
        """Of no image, to which those of images are added.

        Raises:
            ArgumentError: there are no radii, one is not a positive number, or two are the same in six digits.
        """
        complaint = radii_complaint(radii)
        if complaint:
            raise ArgumentError(f"`radii` (={radii}) {complaint}")
        K, R = len(names), len(radii)
        zeros = (np.zeros(shape, np.int64) for shape in ((2, K), (R, 2, K), (R, K, K)))
        return cls(tuple(names), tuple(map(float, radii)), *zeros)

    def __add__(self, other: "BoundaryScores") -> "BoundaryScores":
        """The scores of both sets of images together."""
        if (self.names, self.radii) != (other.names, other.radii):
            raise ArgumentError(
                f"Scores of borders of the classes {self.names} at {self.radii} pixels and {other.names} at "
                f"{other.radii} cannot be merged; classes and radii must agree."
            )
        counts = (self.lengths + other.lengths, self.matched + other.matched, self.near + other.near)
        return BoundaryScores(self.names, self.radii, *counts)

    @property
    def boundary_f(self) -> dict[float, float]:
        """Radius → mean F over the classes that have a contour."""
        return {radius: _mean(values) for radius, values in zip(self.radii, self._f, strict=True)}

    @property
    def per_class_boundary_f(self) -> dict[float, dict[str, float]]:
        """Radius → name → F."""
        rows = (dict(zip(self.names, values.tolist(), strict=True)) for values in self._f)
        return dict(zip(self.radii, rows, strict=True))

    @property
    def trimap_iou(self) -> dict[float, float]:
        """Radius → mean IoU of the pixels that are nearer than that to a true contour."""
        return {
            radius: Scores(matrix, self.names).mean_iou for radius, matrix in zip(self.radii, self.near, strict=True)
        }

    @property
    def _f(self) -> Float64[np.ndarray, "R K"]:
        """2PR / (P + R); P = 0 where nothing is predicted and R = 0 where nothing is true, unless both are so."""
        recall, precision = np.moveaxis(self.matched / np.maximum(self.lengths, 1), 1, 0)
        both = precision + recall
        f = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        return np.where(self.lengths.sum(0) > 0, f, math.nan)

    def to_json(self) -> dict[str, object]:
        """As ``json.dumps`` takes them: radii as text, nan as None."""
        rows = {f"{radius:g}": row for radius, row in self.per_class_boundary_f.items()}
        return {
            **{name: _by_text(getattr(self, name)) for name in ("boundary_f", "trimap_iou")},
            "per_class_boundary_f": {radius: _without_nan(row) for radius, row in rows.items()},
            "boundary_rule": BOUNDARY_RULE,
        }

    def table(self) -> str:
        """As aligned plain text: F of each class, the means, and the trimap IoU, a column a radius."""
        rows = [(name, *(f[name] for f in self.per_class_boundary_f.values())) for name in self.names]
        rows += [("boundary_f", *self.boundary_f.values()), ("trimap_iou", *self.trimap_iou.values())]
        width = max(len(name) for name, *_ in rows)
        heads = [f"{f'{radius:g} px':>8}" for radius in self.radii]
        lines = ["".join([f"{'boundary F':<{width}}", *heads])]
        lines += ["".join([f"{name:<{width}}", *(f"{_digits(value):>8}" for value in row)]) for name, *row in rows]
        return "\n".join([*lines[:-2], "", *lines[-2:], BOUNDARY_RULE])


def boundary_scores(
    truth: Mask, prediction: Mask, names: Sequence[str], radii: Sequence[float] = RADII, ignore: int = IGNORE
) -> BoundaryScores:
    """Compare the borders of two masks; the results of several images add up.

    A pixel belongs to the contour of its class if one of its four neighbours holds another class, so that a contour is
    one pixel wide and lies inside its class (DAVIS' code takes three neighbours on one side instead, and its contour
    moves when an image is mirrored). Distances are Euclidean, between centres of pixels.

    Nothing is known of pixels that are ignored in either mask: they end no segment, and no contour lies among them.
    Where an annotation leaves a band of ignored pixels along every border, as VOC's does, hardly a true contour is
    left, and these scores say nothing.

    Args:
        truth: the true class index of each pixel.
        prediction: the predicted class index of each pixel, of the same shape.
        names: the K class names.
        radii: distances in pixels up to which contours match.
        ignore: the index that is no class; 65535 for ``uint16`` masks.

    Raises:
        ArgumentError: a radius is not positive or comes twice, or the masks are such as
            :func:`intarsia.metrics.confusion_matrix` refuses.

    Example:
        >>> truth, prediction = np.zeros((2, 8, 8), np.uint8)
        >>> truth[:, 4:] = prediction[:, 5:] = 1
        >>> scores = boundary_scores(truth, prediction, ("left", "right"), radii=(0.5, 1))
        >>> scores.boundary_f
        {0.5: 0.0, 1.0: 1.0}
    """
    scores = BoundaryScores.nothing(names, radii)
    confusion_matrix(truth, prediction, len(names), ignore)  # refuses what is no pair of masks of these classes
    valid = (truth != ignore) & (prediction != ignore)
    borders = [_contours(mask, valid) for mask in (truth, prediction)]
    for index in range(len(names)):
        points = [
            np.argwhere(border & (mask == index)) for border, mask in zip(borders, (truth, prediction), strict=True)
        ]
        scores.lengths[:, index] = [len(side) for side in points]
        for side in (0, 1):
            distances = _distances(points[side], points[1 - side], max(scores.radii))
            scores.matched[:, side, index] = [(distances <= radius).sum() for radius in scores.radii]
    from_border = _distance_map(borders[0])
    for place, radius in enumerate(scores.radii):
        near = from_border < radius
        scores.near[place] = confusion_matrix(truth[near][None], prediction[near][None], len(names), ignore)
    return scores


def radii_complaint(radii: Sequence[float]) -> str | None:
    """What is wrong with distances, the end of a sentence that names them; None if nothing is."""
    values = tuple(radii) if isinstance(radii, Sequence | np.ndarray) and np.ndim(radii) == 1 else ()
    if not values or not all(isinstance(value, Real) and 0 < value < math.inf for value in values):
        return "must be positive distances in pixels, such as 1, 2, 3, 5."
    if len({f"{value:g}" for value in values}) < len(values):  # scores are named after them
        return "must differ in their first six digits; leave out what comes twice."
    return None


def _contours(mask: Mask, valid: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels beside a pixel of another class, of all classes together."""
    contour = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        here, there = ((slice(None),) * axis + (part,) for part in (slice(1, None), slice(None, -1)))
        differs = (mask[here] != mask[there]) & valid[here] & valid[there]
        contour[here] |= differs
        contour[there] |= differs
    return contour


def _distances(points: NDArray[np.intp], others: NDArray[np.intp], limit: float) -> Float64[np.ndarray, " N"]:
    """From each point to the nearest of the others; infinite beyond ``limit``. Time goes with the contours' lengths."""
    from scipy.spatial import KDTree  # which those who ask for no borders need not wait for

    if not len(points) or not len(others):
        return np.full(len(points), math.inf)
    return KDTree(others).query(points, distance_upper_bound=math.nextafter(limit, math.inf))[0]


def _distance_map(contour: Bool[np.ndarray, "H W"]) -> Float64[np.ndarray, "H W"]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~contour)) if contour.any() else np.full(contour.shape, math.inf)


def _mean(values: Float64[np.ndarray, " K"]) -> float:
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def _by_text(values: dict[float, float]) -> dict[str, float | None]:
    return _without_nan({f"{radius:g}": value for radius, value in values.items()})


def _without_nan(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _digits(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
