"""Scale and crop: which pixels of an image a view shows, and how they are resized.

Three frames share their pixel centres, at halves: the image, the *magnified* image (never made whole), and the result.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from intarsia.shapes import Picture

_FILTER = Image.Resampling.BILINEAR
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # four bands, none of which Pillow takes for transparency


@dataclass(frozen=True)
class Axis:
    """One axis of a view: `length` pixels of the magnified image from `start` on go to `place` in the result."""

    size: int  # of the image
    scaled: int  # of the magnified image
    start: int
    place: int
    length: int

    @classmethod
    def drawn(cls, size: int, crop: int, scale: float, draw: float) -> "Axis":
        """Where the crop lies: within the magnified image if that is larger, around it otherwise; 0 ≤ draw < 1."""
        scaled = max(1, round(size * scale))
        offset = int(draw * (abs(scaled - crop) + 1))
        if scaled >= crop:
            return cls(size, scaled, start=offset, place=0, length=crop)
        return cls(size, scaled, start=0, place=offset, length=scaled)

    @property
    def step(self) -> float:
        """Pixels of the image for one of the magnified image."""
        return self.size / self.scaled

    @property
    def stop(self) -> int:
        """The end of the magnified pixels that are seen."""
        return self.start + self.length

    def needed(self, start: int, stop: int) -> slice:
        """The image's pixels that magnified ones are computed from: under the filter's triangle, and one to spare."""
        reach = max(1.0, self.step) + 1  # the one absorbs the rounding of Pillow's single precision
        first = math.floor(start * self.step - reach)
        last = math.ceil(stop * self.step + reach)
        return slice(max(0, first), min(self.size, last))

    def box(self, start: int, stop: int) -> tuple[float, float]:
        """The two edges of magnified pixels, in the image's own, counted from the first of the `needed` ones.

        Pillow reads edges in single precision. They are rounded before the offset is taken off, which is exact, so
        that the filter's weights are those for the whole image.
        """
        near, far = np.float32(start * self.step), np.float32(min(stop * self.step, float(self.size)))
        first = self.needed(start, stop).start
        return float(near) - first, float(far) - first

    def nearest(self) -> Int[np.ndarray, "length"]:
        """For each magnified pixel that is seen the image's pixel that holds its centre."""
        centres = (self.start + np.arange(self.length) + 0.5) * self.step
        return np.minimum(centres.astype(np.intp), self.size - 1)

    def target(self) -> slice:
        """Where the seen pixels go."""
        return slice(self.place, self.place + self.length)


def resized(
    picture: Picture, rows: tuple[float, float], columns: tuple[float, float], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w C"]:
    """A box of a picture, given by its edges, in (h, w) pixels: bilinear, with antialias.

    Only what is kept is computed, and the filter sees the pixels around the box.
    """
    bands: list[Image.Image] = []
    for band in in_pillow(picture):
        # Two calls, because from Pillow 13 on one chooses the order of its passes by the size of what it is given: the
        # result, rounded in between, would depend on the window and on Pillow's version.
        wide = band.resize((size[1], band.height), _FILTER, box=(columns[0], 0, columns[1], band.height))
        bands.append(wide.resize((size[1], size[0]), _FILTER, box=(0, rows[0], size[1], rows[1])))
    return out_of_pillow(bands)


def in_pillow(picture: Picture) -> Iterator[Image.Image]:
    """The channels in groups of four, three or one, which is what Pillow works on at once."""
    rows, columns, channels = picture.shape
    first = 0
    while first < channels:
        left = channels - first
        count = left if left in _MODES else (4 if left > 4 else 1)
        group = np.ascontiguousarray(picture[:, :, first : first + count])
        yield Image.frombuffer(_MODES[count], (columns, rows), group, "raw", _MODES[count], 0, 1)
        first += count


def out_of_pillow(bands: list[Image.Image]) -> Picture:
    """The groups as one array again."""
    arrays = [np.asarray(band).reshape(band.height, band.width, -1) for band in bands]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2)
