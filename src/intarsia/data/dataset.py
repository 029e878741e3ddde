"""A dataset: splits of samples, each an image and a mask that are read when they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from intarsia.data.classes import Classes
from intarsia.data.images import image_size, read_image
from intarsia.data.masks import read_mask
from intarsia.errors import DataError
from intarsia.shapes import Mask, Picture, Window


@runtime_checkable  # for the checks of types in tests
class Sample(Protocol):
    """One image and its mask. Samples hold no pixels and can be pickled."""

    @property
    def name(self) -> str:
        """The path of the image within its split, without extension, such as ``"street/0001"``."""
        ...

    def shape(self) -> tuple[int, int]:
        """Rows and columns, without decoding more than a header."""
        ...

    def image(self, window: Window | None = None) -> Picture:
        """The image or a window of it: (H, W, C), uint8; three channels are RGB."""
        ...

    def mask(self, window: Window | None = None) -> Mask:
        """The class indices of the same (H, W)."""
        ...


@dataclass(frozen=True)
class FileSample:
    """A sample in two files."""

    name: str
    image_path: Path
    mask_path: Path
    classes: Classes

    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image.

        Raises:
            DataError: the file cannot be read.
        """
        return image_size(self.image_path)

    def image(self, window: Window | None = None) -> Picture:
        """The image, or a window of it.

        Raises:
            DataError: the file cannot be read.
        """
        return windowed(read_image(self.image_path), window)

    def mask(self, window: Window | None = None) -> Mask:
        """The mask, or a window of it.

        Raises:
            DataError: the file cannot be read, holds what is no class, or its size is not the image's.
        """
        mask = read_mask(self.mask_path, self.classes)
        rows, columns = self.shape()
        if mask.shape != (rows, columns):
            raise DataError(
                f"`{self.image_path}` has {rows} rows × {columns} columns, but its mask `{self.mask_path}` has "
                f"{mask.shape[0]} × {mask.shape[1]}: they must be equal, so replace one of them."
            )
        return windowed(mask, window)


def windowed(picture: np.ndarray, window: Window | None) -> np.ndarray:
    """A part of an image or mask; all of it without a window."""
    return picture if window is None else picture[window]


@dataclass(frozen=True)
class Dataset:
    """Splits of samples with common classes.

    `layout` is a short sentence that says what was recognised, for showing to the user.
    """

    name: str
    layout: str
    classes: Classes
    splits: Mapping[str, tuple[Sample, ...]]

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of one split.

        Raises:
            DataError: there is no such split.
        """
        if name not in self.splits:
            raise DataError(f"`{self.name}` has no split `{name}`: it has {' and '.join(self.splits)}.")
        return self.splits[name]
