"""What is drawn at random, and how strongly."""

import math
from dataclasses import dataclass

from intarsia.errors import ArgumentError

_ELASTIC_SHARE = 16  # of the shorter side: an eighth of the spacing of the nodes, where hardly anything folds


@dataclass(frozen=True)
class Augmentation:
    """What is drawn at random, and how strongly.

    Attributes:
        crop_size: rows and columns of the result.
        scale: smallest and largest magnification; drawn uniformly in its logarithm.
        flip: the probability of a horizontal flip.
        brightness, contrast, saturation: a factor is drawn uniformly from 1 ± strength; 0 leaves the colours alone.
            Saturation is for three channels only.
        rotation: degrees; the angle is drawn uniformly from 0 ± rotation.
        elastic: standard deviation, in pixels of the result, of the random displacements; see `warp.draw_displacement`.
        blur: smallest and largest standard deviation of a Gaussian in pixels of the result, drawn uniformly.
        blur_probability: how often there is a blur at all.

    Raises:
        ArgumentError: a size below 1, a range that is not in order, a number outside of its range, or an elastic
            deformation so strong that the picture would fold over itself.
    """

    crop_size: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    rotation: float = 0.0
    elastic: float = 0.0
    blur: tuple[float, float] = (0.0, 0.0)
    blur_probability: float = 0.5

    def __post_init__(self) -> None:
        if min(self.crop_size) < 1:
            raise ArgumentError(f"`crop_size` (={self.crop_size}) must be at least one row and one column.")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ArgumentError(f"`scale` (={self.scale}) must be (smallest, largest) with 0 < smallest ≤ largest < ∞.")
        if not 0 <= self.blur[0] <= self.blur[1] < math.inf:
            raise ArgumentError(f"`blur` (={self.blur}) must be (smallest, largest) with 0 ≤ smallest ≤ largest < ∞.")
        for name in ("flip", "brightness", "contrast", "saturation", "blur_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(f"`{name}` (={getattr(self, name)}) must lie between 0 and 1.")
        if not 0 <= self.rotation <= 180:
            raise ArgumentError(f"`rotation` (={self.rotation}) must lie between 0 and 180 degrees.")
        if not 0 <= self.elastic <= min(self.crop_size) / _ELASTIC_SHARE:
            raise ArgumentError(
                f"`elastic` (={self.elastic}) must lie between 0 and a {_ELASTIC_SHARE}th of the crop's shorter side "
                f"(={min(self.crop_size) / _ELASTIC_SHARE:g}), above which the picture would fold over itself."
            )
