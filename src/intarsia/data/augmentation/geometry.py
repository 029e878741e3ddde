"""Scale and crop: which pixels of an image a view shows, and of which it computes them.

Three frames share their pixel centres, at halves: the image, the *magnified* image (never made whole), and the result.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8, UInt32

from intarsia.shapes import Picture

Span = tuple[int, int]  # start and stop on one axis of the magnified image


@dataclass(frozen=True)
class Axis:
    """One axis of a view: `length` pixels of the magnified image from `start` on go to `place` in the result."""

    size: int  # of the image
    scaled: int  # of the magnified image
    start: int
    place: int
    length: int

    @classmethod
    def drawn(cls, size: int, crop: int, scale: float, draw: float, focus: int | None = None) -> "Axis":
        """Where the crop lies: within the magnified image if that is larger, around it otherwise; 0 ≤ draw < 1.

        With a `focus`, a pixel of the image, it is one of the places that show it.
        """
        scaled = max(1, round(size * scale))
        if scaled < crop:
            return cls(size, scaled, start=0, place=int(draw * (crop - scaled + 1)), length=scaled)
        first, last = 0, scaled - crop
        if focus is not None:
            magnified = min(scaled - 1, int((focus + 0.5) * scaled / size))
            first, last = max(first, magnified - crop + 1), min(last, magnified)
        return cls(size, scaled, start=first + int(draw * (last - first + 1)), place=0, length=crop)

    @property
    def step(self) -> float:
        """Pixels of the image for one of the magnified image."""
        return self.size / self.scaled

    @property
    def span(self) -> Span:
        """The magnified pixels that are seen."""
        return self.start, self.start + self.length

    @property
    def target(self) -> slice:
        """Where they go."""
        return slice(self.place, self.place + self.length)

    def needed(self, span: Span) -> slice:
        """The image's pixels that magnified ones are computed of, and one more on either side against rounding."""
        reach = max(1.0, self.step) + 1
        first, last = math.floor(span[0] * self.step - reach), math.ceil(span[1] * self.step + reach)
        return slice(max(0, first), min(self.size, last))

    def nearest(self) -> Int[np.ndarray, "length"]:
        """For each magnified pixel that is seen the image's pixel that holds its centre."""
        centres = (self.start + np.arange(self.length) + 0.5) * self.step
        return np.minimum(centres.astype(np.intp), self.size - 1)

    def taps(self, span: Span) -> tuple[Int[np.ndarray, "n"], UInt32[np.ndarray, "n t"]]:
        """For each magnified pixel of a span, the first of the image's pixels that it is a mean of, and their weights.

        A triangle whose half-width is a pixel of the coarser grid, cut off at the edges of the image: bilinear, with
        antialias. The weights are those of `PIL.Image.resize` with a box, bit for bit.
        """
        from intarsia.kernels.resizing import BITS  # here, because Numba takes half a second to import

        length = span[1] - span[0]
        near, far = np.float32(span[0] * self.step), np.float32(min(span[1] * self.step, float(self.size)))
        step = float(far - near) / length  # in single precision up to here, as Pillow's boxes are
        reach = max(1.0, step)
        centres = float(near) + (np.arange(length) + 0.5) * step
        count = min(self.size, math.ceil(2 * reach))
        first = (centres - reach + 0.5).astype(np.intp).clip(0, self.size - count)
        distances = np.abs((first[:, None] + np.arange(count) + 0.5) - centres[:, None])
        weights = np.maximum(0.0, 1 - distances / reach)
        weights /= weights.sum(axis=1, keepdims=True)
        return first, (weights * 2**BITS + 0.5).astype(np.uint32)


def resized(
    picture: Picture, corner: tuple[int, int], axes: tuple[Axis, Axis], spans: tuple[Span, Span], mirrored: bool
) -> UInt8[np.ndarray, "h w C"]:
    """Two spans of the magnified image, made of a window of the image with the given corner; perhaps mirrored."""
    from intarsia.kernels.resizing import resample  # here, because Numba takes half a second to import

    (first_row, row_weights), (first_column, column_weights) = (
        axis.taps(span) for axis, span in zip(axes, spans, strict=True)
    )
    if mirrored:
        first_column, column_weights = first_column[::-1], np.ascontiguousarray(column_weights[::-1])
    first_row, first_column = first_row - corner[0], first_column - corner[1]
    assert min(first_row.min(), first_column.min()) >= 0, "the window begins too late"
    assert first_row.max() + row_weights.shape[1] <= picture.shape[0], "the window has too few rows"
    assert first_column.max() + column_weights.shape[1] <= picture.shape[1], "the window has too few columns"
    firsts = first_row.astype(np.uint32), first_column.astype(np.uint32)
    return resample(plain(picture), firsts[0], row_weights, firsts[1], column_weights)


def plain(pixels: np.ndarray) -> np.ndarray:
    """Contiguous and writable: one kind of array, one compilation."""
    return np.require(pixels, requirements=("C", "W"))
