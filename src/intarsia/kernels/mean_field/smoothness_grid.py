"""A Gaussian over pixels as three short steps: to a coarser grid, a blur of it, and back.

From σ = 2 on, the grid has half the pixels' rows and columns, and its cells' centres lie between pixels: a pixel
gives ¾ to one cell and ¼ to the next, and takes in the same way. Either way adds a variance of ¾, at every pixel
alike, and the taps between take what remains of σ². Below 2 the grid is that of the pixels. All of it is separable,
so are the sums of the rows of the kernel, and the normalisation by them is folded into the pixels' weights, one axis
at a time.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

_HALVED_FROM = 2.0  # pixels
_BETWEEN = 1.5  # variance that two interpolations add, in squared pixels
_REACH = 3.2  # standard deviations: the weights beyond are below 0.006


class Line(NamedTuple):
    """One axis of n pixels and m cells."""

    cells: Int32[np.ndarray, "n"]  # the first of two
    weights: Float32[np.ndarray, "2 n"]
    taps: Float32[np.ndarray, "t"]  # of the blur, the middle one for the cell itself
    length: int  # m; there is a cell on either side of what the pixels need, or behind


def line_of(pixels: int, sigma: float, normalised: bool = True) -> Line:
    """For a Gaussian of `sigma` pixels, whose value at 0 is 1 unless it is `normalised`: by 1/√ of its sum, twice."""
    places = np.arange(pixels)
    if sigma < _HALVED_FROM:
        cells, second = places, np.zeros(pixels)
        taps = _taps(sigma, min(_reach(sigma), pixels))
    else:
        position = (places + 1.5) / 2  # cell 0 lies before the first pixel
        cells = np.floor(position).astype(np.int64)
        second, taps = position - cells, _halved_taps(sigma, int(cells[-1]) + 1)
    weights = np.stack([1 - second, second])
    count = int(cells[-1]) + 2
    if normalised:
        ones = np.bincount(cells, weights[0], count) + np.bincount(cells + 1, weights[1], count)
        blurred = np.convolve(ones, taps)[len(taps) // 2 :][:count]
        weights /= np.sqrt(weights[0] * blurred[cells] + weights[1] * blurred[cells + 1])
    return Line(cells.astype(np.int32), weights.astype(np.float32), taps.astype(np.float32), count)


def _halved_taps(sigma: float, most: int) -> np.ndarray:
    """For cells of two pixels, of which none are further apart than `most`.

    Taps that reach all others are not cut off, so they are those of the Gaussian itself.
    """
    deviation = sigma / 2 * math.sqrt(1 - _BETWEEN / (sigma * sigma))
    reach = _reach(deviation)
    if reach > most:
        return _taps(deviation, most) * (sigma / 2 / deviation)
    taps = _taps(_fitted(deviation, reach), reach)
    return taps * (math.sqrt(math.pi / 2) * sigma / taps.sum())


def _reach(deviation: float) -> int:
    return max(1, math.ceil(_REACH * deviation))


def _taps(deviation: float, reach: int) -> np.ndarray:
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)


def _fitted(deviation: float, reach: int) -> float:
    """The deviation to sample, so that taps cut off at their reach have the variance that is wanted."""
    sampled, squares = deviation, np.arange(-reach, reach + 1) ** 2
    for _ in range(20):
        taps = _taps(sampled, reach)
        sampled *= deviation / np.sqrt((taps * squares).sum() / taps.sum())
    return sampled
