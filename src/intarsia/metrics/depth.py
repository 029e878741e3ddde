"""Errors of dense depth maps: sums over all valid pixels of a set, by distance, from which every score follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64

from intarsia.errors import ArgumentError

THRESHOLDS = (1.02, 1.05, 1.10, 1.25, 1.25**2, 1.25**3)
EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0)
"""Where distances are divided, in metres; the last part has no end."""
LEAST = 0.001  # metres: what a prediction counts as at least, since nothing has an inverse at zero
PROTOCOL = (
    "Means over all valid pixels of the whole set together (truth above 0), and not of images; metres, inverse depths "
    f"in 1/km; a prediction counts as {LEAST} m at least; δ is the share of pixels with max(p / t, t / p) below it."
)

_MEANS = ("pixels", "squared", "absolute", "relative", "inverse_squared", "inverse_absolute")
_COLUMNS = len(_MEANS) + len(THRESHOLDS)
_PER_KM = 1000.0

Depth = Float[np.ndarray, "H W"]


def depth_errors(
    truth: Depth, prediction: Depth, edges: Sequence[float] = EDGES, counted: Bool[np.ndarray, "H W"] | None = None
) -> Float64[np.ndarray, "D S"]:
    """The sums from which :class:`DepthScores` come, a row for each of the D parts of the distances.

    Sums of several images add up to those of the set.

    Args:
        truth: depths in metres; 0 where none is known.
        prediction: depths in metres, of the same shape; what is below ``LEAST``, negative too, counts as that.
        edges: where distances are divided, from 0 on; the last part has no end.
        counted: which pixels count, if not all that have a truth: without those that were measured, say.

    Raises:
        ArgumentError: shapes differ, ``truth`` is negative or not finite anywhere, ``prediction`` is not finite where
            it counts, ``counted`` is no mask, or edges do not rise from 0.

    >>> truth, prediction = np.array([[2.0, 4.0, 0.0]]), np.array([[2.0, 5.0, 1.0]])
    >>> DepthScores(depth_errors(truth, prediction)).mae
    0.5
    """
    _check_edges(edges)
    for name, other in (("prediction", prediction), ("counted", counted)):
        if other is not None and other.shape != truth.shape:
            raise ArgumentError(
                f"`truth` {truth.shape} and `{name}` {other.shape} must have one shape; resize the latter to the truth."
            )
    if counted is not None and counted.dtype != np.bool_:
        raise ArgumentError(
            f"`counted` ({counted.dtype}) must be a mask of True and False; `counted != 0` makes one of numbers."
        )
    if not np.isfinite(truth).all() or (truth < 0).any():
        raise ArgumentError(
            "`truth` holds depths that are negative or not finite, and must hold metres, or 0 where none is known; "
            "put 0 there."
        )
    valid = truth > 0 if counted is None else (truth > 0) & counted
    t, p = truth[valid].astype(np.float64), prediction[valid].astype(np.float64)
    if not np.isfinite(p).all():
        raise ArgumentError(
            f"`prediction` is not finite at {int((~np.isfinite(p)).sum())} of {p.size} pixels with a truth, and must "
            "be a depth in metres everywhere; fill what is missing."
        )
    return _summed(t, np.maximum(p, LEAST), np.asarray(edges))


def _summed(
    t: Float64[np.ndarray, " N"], p: Float64[np.ndarray, " N"], edges: Float64[np.ndarray, " D"]
) -> Float64[np.ndarray, "D S"]:
    error, inverse, ratio = p - t, _PER_KM * (1 / p - 1 / t), np.maximum(p / t, t / p)
    each = (np.ones_like(t), error**2, abs(error), abs(error) / t, inverse**2, abs(inverse))
    part = np.searchsorted(edges, t, side="right") - 1
    columns = (*each, *((ratio < threshold).astype(np.float64) for threshold in THRESHOLDS))
    sums = [np.bincount(part, column, len(edges)) for column in columns]
    return np.stack(sums, axis=1).astype(np.float64)  # of no pixel it gives integers


def _check_edges(edges: Sequence[float]) -> None:
    rising = all(a < b for a, b in pairwise(edges))  # which nan does not
    if not len(edges) or edges[0] != 0 or not rising or not math.isfinite(edges[-1]):
        raise ArgumentError(
            f"`edges` (={tuple(edges)}) must rise from 0, in metres, such as (0, 2, 5); the last part is open."
        )


@dataclass(frozen=True, eq=False)
class DepthScores:
    """The scores of a set; names are the same in Python and in JSON.

    With t the true and p the predicted depth of a pixel: RMSE = √mean (p − t)², MAE = mean |p − t|, REL = mean
    |p − t| / t, iRMSE and iMAE the first two for 1/p and 1/t in 1/km, δ the share of pixels with max(p/t, t/p) below a
    threshold (Eigen et al., arXiv:1406.2283, and KITTI's depth completion, arXiv:1708.06500). A score of no pixel is
    nan.

    Args:
        sums: those of :func:`depth_errors`, added over the whole set.
        edges: where distances are divided.

    Raises:
        ArgumentError: the sums are not of these edges.

    >>> scores = DepthScores(depth_errors(np.array([[2.0, 4.0]]), np.array([[2.0, 5.0]])))
    >>> round(scores.rmse, 3), scores.rel, scores.delta["1.25"]
    (0.707, 0.125, 0.5)
    """

    sums: Float64[np.ndarray, "D S"]
    edges: Sequence[float] = EDGES

    def __post_init__(self) -> None:
        _check_edges(self.edges)
        sums = np.array(self.sums, dtype=np.float64)
        if sums.shape != (len(self.edges), _COLUMNS):
            raise ArgumentError(
                f"`sums` {sums.shape} must be ({len(self.edges)}, {_COLUMNS}), a row for each of `edges`; take those "
                "of `depth_errors` with the same edges."
            )
        sums.setflags(write=False)
        object.__setattr__(self, "sums", sums)
        object.__setattr__(self, "edges", tuple(self.edges))

    def __add__(self, other: "DepthScores") -> "DepthScores":
        """The scores of both sets of images together."""
        if self.edges != other.edges:
            raise ArgumentError(
                f"Scores by distance {self.edges} and {other.edges} cannot be merged; the edges must agree."
            )
        return DepthScores(self.sums + other.sums, self.edges)

    @property
    def pixels(self) -> int:
        """Valid pixels."""
        return int(self._total[0])

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, metres."""
        return math.sqrt(self._mean(1))

    @property
    def mae(self) -> float:
        """Mean absolute error, metres."""
        return self._mean(2)

    @property
    def rel(self) -> float:
        """Mean absolute error as a share of the true depth."""
        return self._mean(3)

    @property
    def irmse(self) -> float:
        """Root of the mean squared error of inverse depths, 1/km."""
        return math.sqrt(self._mean(4))

    @property
    def imae(self) -> float:
        """Mean absolute error of inverse depths, 1/km."""
        return self._mean(5)

    @property
    def delta(self) -> dict[str, float]:
        """Threshold → share of the pixels that are off by a smaller factor."""
        return {f"{t:.4g}": self._mean(len(_MEANS) + i) for i, t in enumerate(THRESHOLDS)}

    @property
    def by_distance(self) -> dict[str, "DepthScores"]:
        """The scores of the pixels in each part of the distances that holds any, such as ``"2-3 m"``."""
        ends = [f"{a:g}-{b:g} m" for a, b in pairwise(self.edges)]
        names = [*ends, f"{self.edges[-1]:g} m and more"]
        return {
            name: DepthScores(np.where(np.arange(len(self.sums))[:, None] == i, self.sums, 0), self.edges)
            for i, name in enumerate(names)
            if self.sums[i, 0] > 0
        }

    @property
    def protocol(self) -> str:
        """How it was counted, in one sentence, which is printed beside the scores."""
        return PROTOCOL

    def to_json(self) -> dict[str, object]:
        """The scores as ``json.dumps`` takes them: properties under their own names, nan as None, and the sums."""
        parts = {name: part.figures() for name, part in self.by_distance.items()}
        stored = {"protocol": self.protocol, "edges": list(self.edges), "sums": self.sums.tolist()}
        return {**self.figures(), "by_distance": parts, **stored}

    def figures(self) -> dict[str, object]:
        """Every score by its name, nan as None."""
        named = {name: getattr(self, name) for name in ("rmse", "mae", "rel", "irmse", "imae")}
        known = {name: None if math.isnan(value) else value for name, value in named.items()}
        shares = {name: None if math.isnan(value) else value for name, value in self.delta.items()}
        return {"pixels": self.pixels, **known, "delta": shares}

    @property
    def _total(self) -> Float64[np.ndarray, " S"]:
        return self.sums.sum(axis=0)

    def _mean(self, column: int) -> float:
        total = self._total
        return float(total[column] / total[0]) if total[0] else math.nan
