"""Gaussian filtering of scattered points in any number of dimensions, on the permutohedral lattice.

The lattice A*_d cuts d dimensions into simplices of one shape. Values are *splatted* from each point to the d + 1
corners of its simplex by barycentric weights, *blurred* between neighbouring corners along each of the d + 1 axes, and
*sliced* off at the points again. Only corners of simplices that hold a point exist: the cost grows as d², not as 2^d.
"""

import math

import numpy as np
from jaxtyping import Float, Float32

from intarsia.errors import ArgumentError
from intarsia.kernels.permutohedral.general_corners import build, neighbours
from intarsia.kernels.permutohedral.general_filter import blur, slice_off, splat

_MOST = (1 << 31) - 2  # corners that 32 bits number
_LARGEST = 1 << 20  # of an embedded coordinate: float32 then still tells eighths apart


class Permutohedral:
    """K v for many v, where K_ij = exp(-½ |f_i - f_j|²) of N points in d dimensions.

    It is an approximation: the profile is one of tents, and where points are sparse, corners are missing on the way
    from one to the other, and sums come out too small. The same points give the same answer.

    Args:
        features: f, finite; in standard deviations of the Gaussian.
        most: How many corners there is room for.

    Attributes:
        vertices: How many corners there are.

    Raises:
        ArgumentError: A feature is not finite, or too large for the lattice's whole numbers; or there is no room.

    References:
        Adams, Baek, Davis: Fast high-dimensional filtering using the permutohedral lattice, CGF 29, 2010, section 3.
        Krähenbühl, Koltun: Efficient inference in fully connected CRFs with Gaussian edge potentials, NIPS 2011, whose
        blur along an axis is (½, 1, ½) and whose gain is 1 / (1 + 2^-d).

    >>> lattice = Permutohedral(np.array([[0.0], [0.1], [9.0]], np.float32))
    >>> sums = lattice.filter(np.ones((3, 1)))
    >>> (lattice.filter(np.array([[1.0], [3.0], [5.0]])) / sums).round(1).ravel().tolist()
    [2.0, 2.0, 5.0]
    """

    def __init__(self, features: Float[np.ndarray, "N d"], most: int = _MOST) -> None:
        features = np.require(features, np.float32, ["C", "W"])
        dimensions = features.shape[1]
        scales = _scales(dimensions)
        largest = np.abs(features).max(axis=0, initial=0) * scales
        reach = max(i * largest[i - 1 : i].sum() + largest[i:].sum() for i in range(dimensions + 1))
        if not reach < _LARGEST:
            raise ArgumentError(
                f"`features` reach {np.abs(features).max()}; they must be finite and within some "
                f"{_LARGEST / scales.max() / dimensions:.0f} standard deviations: take larger σs, or move zero."
            )
        most = min(most, _MOST)
        self._offsets, self._weights, keys, table, fits = build(features, scales, most)
        if not fits:
            raise ArgumentError(
                f"`features` of {len(features)} points need more than {most} corners of the lattice, for which "
                "there is no memory; take larger σs, or fewer points."
            )
        self._neighbours = neighbours(keys, table)
        self.vertices = len(keys)
        self._gain = 1 / (1 + 2.0**-dimensions)

    def filter(self, values: Float[np.ndarray, "N C"], transposed: bool = False) -> Float[np.ndarray, "N C"]:
        """K v for each column, each point's own share included; in float32 or float64, as `values` are.

        `transposed` goes through the axes the other way round, which gives Kᵀ: where corners are missing, K is not
        quite symmetric.
        """
        values = np.array(values, order="C", copy=None if values.flags.writeable else True)
        result, every = np.zeros_like(values), np.ones(len(values), values.dtype)
        self.add(values, every, every, result, transposed)
        return result

    def add(
        self,
        values: Float[np.ndarray, "N C"],
        before: Float[np.ndarray, " N"],
        after: Float[np.ndarray, " N"],
        result: Float[np.ndarray, "N C"],
        transposed: bool = False,
    ) -> None:
        """Add diag(after) K diag(before) v to `result`; all are contiguous and can be written to.

        Raises:
            ArgumentError: One has other rows than there are points, or `result` other columns than `values`.
        """
        points = len(self._offsets)
        if not (len(values) == len(before) == len(after) == points and result.shape == values.shape):
            raise ArgumentError(
                f"`values` (of shape {values.shape}), `before` ({len(before)}), `after` ({len(after)}) and `result` "
                f"(of shape {result.shape}) must have one row for each of the {points} points of the lattice."
            )
        shape = (self.vertices + 1, values.shape[1])  # the last one stands for all corners that do not exist
        corners, room = np.zeros(shape, values.dtype), np.zeros(shape, values.dtype)
        splat(self._offsets, self._weights, before, values, corners)
        blurred = blur(self._neighbours, corners, room, transposed)
        slice_off(self._offsets, self._weights, after * values.dtype.type(self._gain), blurred, result)


def _scales(dimensions: int) -> Float32[np.ndarray, " d"]:
    """What an axis is stretched by, so that the blur and both tents together have variance 1 (section 3.1)."""
    inverse = [(dimensions + 1) * math.sqrt(2 / 3) / math.sqrt((i + 1) * (i + 2)) for i in range(dimensions)]
    return np.array(inverse, np.float32)
