"""Rotation and elastic deformation: where in the magnified image each pixel of the result comes from."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from intarsia.data.augmentation.geometry import Axis, Span

_NODES = 3  # over the shorter side of the result
_OVERSHOOT = 1.25**2  # the largest sum of the cubic's absolute weights, in two dimensions


@dataclass(frozen=True, eq=False)
class Warp:
    """A turn about the middle of what is seen, after a displacement of every pixel.

    Attributes:
        angle: degrees; positive ones turn the picture counter-clockwise, as `np.rot90` does.
        displacement: rows and columns, in pixels of the result, at the nodes of `draw_displacement`.
    """

    angle: float
    displacement: Float[np.ndarray, "2 m n"] | None = None

    def positions(
        self, rows: Axis, columns: Axis, crop_size: tuple[int, int]
    ) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
        """Rows and columns in the magnified image of each pixel's centre in the result."""
        y = np.arange(crop_size[0])[:, None] + (0.5 - _middle(rows))
        x = np.arange(crop_size[1])[None, :] + (0.5 - _middle(columns))
        if self.displacement is not None:
            down, right = displacement_field(self.displacement, crop_size)
            y, x = y + down, x + right
        return self._turned(y, x, rows, columns)

    def spans(self, rows: Axis, columns: Axis, crop_size: tuple[int, int]) -> tuple[Span, Span]:
        """Bounds of the magnified pixels between which `positions` are interpolated."""
        reach = (0.0, 0.0)
        if self.displacement is not None:
            down, right = np.abs(self.displacement).max(axis=(1, 2)) * _OVERSHOOT
            reach = float(down), float(right)
        y, x = (
            np.array((-reach[i], crop_size[i] + reach[i])) - _middle(axis) for i, axis in enumerate((rows, columns))
        )
        corners = self._turned(y[:, None], x[None, :], rows, columns)
        return _span(corners[0], rows.scaled), _span(corners[1], columns.scaled)

    def _turned(
        self, y: Float[np.ndarray, "_ _"], x: Float[np.ndarray, "_ _"], rows: Axis, columns: Axis
    ) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
        """Offsets from the middle in the result → positions in the magnified image."""
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        return (rows.start + rows.length / 2) + y * cos + x * sin, (
            columns.start + columns.length / 2
        ) + x * cos - y * sin


def draw_displacement(
    sigma: float, crop_size: tuple[int, int], generator: np.random.Generator
) -> Float[np.ndarray, "2 m n"]:
    """Random displacement vectors on a coarse grid: each component Gaussian with standard deviation `sigma`.

    Ronneberger et al., arXiv:1505.04597, section 3.1, take 3 × 3 nodes and 10 pixels for images of 512 × 512. Here
    three nodes lie over the shorter side of the result, from edge to edge, and over the longer one as many as have
    about the same spacing. One more ring lies beyond the edges, so that the cubic has its four nodes everywhere.
    """
    nodes = (2, *(count + 2 for count in _node_counts(crop_size)))
    return sigma * generator.standard_normal(nodes)


def displacement_field(nodes: Float[np.ndarray, "2 m n"], crop_size: tuple[int, int]) -> Float[np.ndarray, "2 h w"]:
    """The displacement of every pixel: bicubic interpolation between the nodes."""
    weights = [_cubic_weights(length, count) for length, count in zip(crop_size, _node_counts(crop_size), strict=True)]
    return weights[0] @ nodes @ weights[1].T


def _node_counts(crop_size: tuple[int, int]) -> tuple[int, int]:
    spacing = min(crop_size) / (_NODES - 1)
    return round(crop_size[0] / spacing) + 1, round(crop_size[1] / spacing) + 1


def _cubic_weights(length: int, count: int) -> Float[np.ndarray, "length m"]:
    """Each pixel's weights of the nodes: Keys, Cubic convolution interpolation, 1981, with a = −½ (Catmull–Rom)."""
    places = (np.arange(length) + 0.5) * ((count - 1) / length) + 1  # in nodes; the first lies beyond the edge
    distance = np.abs(places[:, None] - np.arange(count + 2))
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))


def _middle(axis: Axis) -> float:
    """The middle of what is seen, in the result."""
    return axis.place + axis.length / 2


def _span(positions: Float[np.ndarray, "_ _"], size: int) -> Span:
    """Whole pixels around positions, one more on each side for the interpolation, within the magnified image."""
    return max(0, math.floor(positions.min()) - 1), min(size, math.ceil(positions.max()) + 1)
