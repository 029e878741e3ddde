"""How a published set writes its classes into mask files, where a pixel is not the class index itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Shaped, UInt8

from intarsia.data.colours import Colour
from intarsia.errors import DataError
from intarsia.shapes import IGNORE


@dataclass(frozen=True)
class Spelling:
    """What stands for each class in the mask files of one set, and what for none.

    Attributes:
        name: of the spelling, for sentences; the facts of a check are kept by it.
        values: of each stored number from 0 on, the class index, or 255 where it means no class.
        colours: the same for RGB files, as (colour, class index) pairs. A spelling has one of the two.

    >>> one_based = Spelling("numbers from 1 on", values=(255, 0, 1))
    >>> one_based.indices(np.array([[0, 1, 2]], np.uint8), Path("a.png")).tolist()
    [[255, 0, 1]]
    """

    name: str
    values: tuple[int, ...] = ()
    colours: tuple[tuple[Colour, int], ...] = ()

    def indices(self, pixels: Shaped[np.ndarray, "H W *C"], path: Path | str) -> UInt8[np.ndarray, "H W"]:
        """The class indices of decoded pixels, 255 where no class is.

        Raises:
            DataError: the file holds colours where numbers should be or the other way round, or what the set never
                writes.
        """
        if (pixels.ndim == 3) != bool(self.colours):
            found, wanted = ("RGB colours", "numbers") if pixels.ndim == 3 else ("numbers", "RGB colours")
            raise DataError(f"`{path}` holds {found}, but {self.name} are {wanted}: restore the published file.")
        return self._of_colours(pixels, path) if self.colours else self._of_values(pixels, path)

    def _of_values(self, pixels: Shaped[np.ndarray, "H W"], path: Path | str) -> UInt8[np.ndarray, "H W"]:
        stray = (pixels < 0) | (pixels >= len(self.values))
        if stray.any():
            raise DataError(
                f"`{path}` holds the value {int(pixels[stray][0])}, but {self.name} are 0 … {len(self.values) - 1}: "
                f"restore the published file."
            )
        return np.array(self.values, np.uint8)[pixels.astype(np.intp)]

    def _of_colours(self, pixels: Shaped[np.ndarray, "H W 3"], path: Path | str) -> UInt8[np.ndarray, "H W"]:
        known, indices = self._table
        codes = pixels.astype(np.int32) @ np.array((65536, 256, 1), np.int32)
        places = np.searchsorted(known, codes).clip(max=len(known) - 1)
        stray = known[places] != codes
        if stray.any():
            colour = tuple(int(part) for part in pixels[stray][0])
            raise DataError(f"`{path}` holds {colour}, which is none of {self.name}: restore the published file.")
        return indices[places]

    @cached_property
    def _table(self) -> tuple[Int32[np.ndarray, "N"], UInt8[np.ndarray, "N"]]:
        """The colours as numbers, sorted, and their classes."""
        codes = np.array([red << 16 | green << 8 | blue for (red, green, blue), _ in self.colours], np.int32)
        order = np.argsort(codes)
        return codes[order], np.array([index for _, index in self.colours], np.uint8)[order]


def renumbered(name: str, classes: Mapping[int, int], largest: int) -> Spelling:
    """A spelling by numbers 0 … `largest`, of which those in `classes` mean a class and all others none.

    >>> renumbered("even numbers", {2: 0, 4: 1}, 4).values
    (255, 255, 0, 255, 1)
    """
    return Spelling(name, tuple(classes.get(value, IGNORE) for value in range(largest + 1)))
