"""A picture that takes a parallel kernel to make, in a module that loading processes can import."""

from dataclasses import dataclass

import numba
import numpy as np

from intarsia.shapes import Mask, Picture, Window


@numba.njit(parallel=True)
def shade(rows: int, columns: int) -> np.ndarray:
    """A diagonal ramp, a thread a row."""
    picture = np.empty((rows, columns, 3), np.uint8)
    for row in numba.prange(rows):
        for column in range(columns):
            picture[row, column] = row + column
    return picture


@dataclass(frozen=True)
class ShadedSample:
    """A ramp, and its brighter half."""

    name: str

    def shape(self) -> tuple[int, int]:
        return 40, 40

    def image(self, window: Window | None = None) -> Picture:
        picture = shade(40, 40)
        return picture if window is None else picture[window]

    def mask(self, window: Window | None = None) -> Mask:
        return (self.image(window)[..., 0] > 39).astype(np.uint8)
