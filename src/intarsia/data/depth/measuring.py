"""What a sensor would measure of a dense depth map: a few pixels, drawn from a seeded generator."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64

from intarsia.data.depth.files import Depth
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.shapes import Picture

Kind = Literal["count", "grid", "lines", "confidence", "own"]

_PATCH = 5  # pixels across which a stereo camera would look for texture
_GREY = 4.0  # grey levels of contrast below which there is as good as none


@dataclass(frozen=True)
class Measuring:
    """How depths are measured.

    Attributes:
        kind: "count": so many pixels anywhere; "grid": every so-many-th row and column; "lines": so many scan lines,
            like those of a rotating LiDAR: equal angles apart, bent away from the middle; "confidence": so many pixels,
            more of them where the image has texture, as stereo cameras measure; "own": nothing is drawn, the set's own
            sensor has measured.
        amount: how many, or how far apart; of no meaning for "own".

    Raises:
        ArgumentError: an amount below 1.
    """

    kind: Kind = "count"
    amount: int = 500

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise ArgumentError(f"`amount` (={self.amount}) must be at least 1: without any depth there is no scale.")

    def __str__(self) -> str:
        """As :func:`parse_measuring` reads it."""
        return self.kind if self.kind == "own" else f"{self.kind}:{self.amount}"


OWN = Measuring("own")


def parse_measuring(text: str) -> Measuring:
    """From "500", "grid:16", "lines:32", "confidence:500" or "own".

    Raises:
        ArgumentError: the text is nothing of that.

    >>> parse_measuring("500"), str(parse_measuring("lines:32"))
    (Measuring(kind='count', amount=500), 'lines:32')
    """
    if text.strip() == "own":
        return OWN
    found = re.fullmatch(r"(?:([a-z]+):)?(\d+)", text.strip())
    if found is None:
        raise ArgumentError(
            f"`{text}` is no way to measure; write a number of pixels, grid:16, lines:32 or the like, or own for what "
            "the set's sensor measured."
        )
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind) if kind != "own"}
    kind = found[1] or "count"
    if kind not in kinds:
        raise UnknownNameError("way to measure", kind, kinds, "`intarsia.data.depth.Measuring`")
    return Measuring(kinds[kind], int(found[2]))


def measure(depth: Depth, image: Picture, measuring: Measuring, generator: np.random.Generator) -> Depth:
    """The depths that are measured, 0 elsewhere; only where a depth is known can one be measured.

    A pure function of its arguments, the generator's state among them; `generator_for(seed, epoch, index)` gives one
    for each view of a training.

    Raises:
        ArgumentError: ``measuring`` is "own", and there is nothing to draw.

    >>> depth = np.full((4, 6), 2.0, np.float32)
    >>> measured = measure(depth, np.zeros((4, 6, 3), np.uint8), Measuring("count", 5), np.random.default_rng(0))
    >>> int((measured > 0).sum()), float(measured.sum())
    (5, 10.0)
    """
    rows, columns = depth.shape
    if measuring.kind == "own":
        raise ArgumentError(
            "`measuring` (=own) draws nothing: take what the sample's sensor measured, or say how many."
        )
    if measuring.kind == "grid":
        chosen = _grid(rows, columns, measuring.amount, generator)
    elif measuring.kind == "lines":
        chosen = _scan_lines(rows, columns, measuring.amount, generator)
    else:
        weights = np.ones(depth.shape) if measuring.kind == "count" else _texture(image)
        chosen = _drawn(np.where(depth > 0, weights, 0), measuring.amount, generator)
    return np.where(chosen, depth, np.float32(0))


def _grid(rows: int, columns: int, spacing: int, generator: np.random.Generator) -> Bool[np.ndarray, "H W"]:
    """Every `spacing`-th pixel; where the grid begins is drawn."""
    first = generator.integers(spacing, size=2)
    chosen = np.zeros((rows, columns), bool)
    chosen[first[0] :: spacing, first[1] :: spacing] = True
    return chosen


def _scan_lines(rows: int, columns: int, lines: int, generator: np.random.Generator) -> Bool[np.ndarray, "H W"]:
    """Where rays of constant elevation meet the image plane: y = f tan φ / cos θ for the azimuth θ of a column.

    The camera's focal length f is taken for the longer side, a view of 53°; where the lines begin is drawn.
    """
    focal = max(rows, columns)
    across = np.hypot(1, (np.arange(columns) - (columns - 1) / 2) / focal)  # 1 / cos θ
    top = np.arctan(rows / 2 / focal)
    angles = top * (2 * (np.arange(lines) + generator.random()) / lines - 1)
    places = np.floor(rows / 2 + focal * np.tan(angles)[:, None] * across).astype(int)
    chosen = np.zeros((rows, columns), bool)
    inside = (places >= 0) & (places < rows)
    chosen[places[inside], np.broadcast_to(np.arange(columns), places.shape)[inside]] = True
    return chosen


def _texture(image: Picture) -> Float64[np.ndarray, "H W"]:
    """How much the image varies around each pixel: the standard deviation of its grey, and a little everywhere."""
    from scipy import ndimage

    grey = image.astype(np.float64).mean(axis=2)
    mean, squares = (ndimage.uniform_filter(values, _PATCH) for values in (grey, grey**2))
    return np.sqrt(np.maximum(squares - mean**2, 0)) + _GREY


def _drawn(weights: Float64[np.ndarray, "H W"], count: int, generator: np.random.Generator) -> Bool[np.ndarray, "H W"]:
    """`count` different pixels with these weights, or all that have one: those of the smallest exponential times.

    Efraimidis & Spirakis, Information Processing Letters 97 (2006): pixels arrive at rates that are their weights.
    """
    times = generator.standard_exponential(weights.shape)
    times = np.divide(times, weights, out=np.full(weights.shape, np.inf), where=weights > 0)
    count = min(count, int((weights > 0).sum()))
    chosen = np.zeros(weights.shape, bool)
    chosen.flat[np.argpartition(times, count - 1, axis=None)[:count] if count else []] = True
    return chosen
