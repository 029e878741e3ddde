"""A dataset: splits of samples, each an image and a mask that are read when they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from intarsia.data.classes import Classes
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.images import RGB, PixelFormat, image_shape, read_image
from intarsia.data.masks import read_mask
from intarsia.data.spelling import Spelling
from intarsia.errors import DataError
from intarsia.shapes import Mask, Picture, Window

AnySample = TypeVar("AnySample")


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
class ImageFile:
    """What samples of every task have in common whose image is a file: its name in the split, and how it is read."""

    name: str
    image_path: Path
    pixels: PixelFormat = field(default=RGB, kw_only=True)
    max_pixels: int = field(default=MAX_PIXELS, kw_only=True)

    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image.

        Raises:
            DataError: the file cannot be read.
        """
        return image_shape(self.image_path, self.max_pixels)

    def image(self, window: Window | None = None) -> Picture:
        """The image, or a window of it.

        Raises:
            DataError: the file cannot be read.
        """
        return read_image(self.image_path, self.pixels, window, self.max_pixels)


@dataclass(frozen=True)
class FileSample(ImageFile):
    """A sample in two files; `spelling` is that of a published set's masks."""

    mask_path: Path
    classes: Classes
    spelling: Spelling | None = None

    def mask(self, window: Window | None = None) -> Mask:
        """The mask, or a window of it.

        Raises:
            DataError: the file cannot be read, holds what is no class, or its size is not the image's.
        """
        complaint = unequal(self.image_path, self.shape(), self.mask_path, image_shape(self.mask_path, self.max_pixels))
        if complaint:
            raise DataError(complaint)
        return read_mask(self.mask_path, self.classes, window, self.max_pixels, self.spelling)


def unequal(
    image: Path, of_image: tuple[int, int], other: Path, of_other: tuple[int, int], kind: str = "mask"
) -> str | None:
    """The sentence about a mask or depth of another size than its image; None if rows and columns are equal."""
    if of_image == of_other:
        return None
    return (
        f"`{image}` has {of_image[0]} rows × {of_image[1]} columns, but its {kind} `{other}` has {of_other[0]} × "
        f"{of_other[1]}: they must be equal, so replace one of them."
    )


def windowed(picture: np.ndarray, window: Window | None) -> np.ndarray:
    """A part of an image or mask; all of it without a window."""
    return picture if window is None else picture[window]


class Splits(Generic[AnySample]):
    """What sets of every task have in common: samples in splits, which have names."""

    name: str
    splits: Mapping[str, tuple[AnySample, ...]]

    @property
    def default_split(self) -> str:
        """What is evaluated unless another is named: ``val``, or the first there is."""
        return "val" if "val" in self.splits else next(iter(self.splits))

    def split(self, name: str) -> tuple[AnySample, ...]:
        """The samples of one split; ``trainval`` is train and val together where it is not listed.

        Raises:
            DataError: there is no such split.
        """
        if name == "trainval" and name not in self.splits:
            return (*self.split("train"), *self.split("val"))
        if name not in self.splits:
            raise DataError(f"`{self.name}` has no split `{name}`: it has {' and '.join(self.splits)}.")
        return self.splits[name]


@dataclass(frozen=True)
class Dataset(Splits[Sample]):
    """Splits of samples with common classes.

    `layout` is a short sentence that says what was recognised, for showing to the user; `pixels` says what the numbers
    in the picture files mean.
    """

    name: str
    layout: str
    classes: Classes
    splits: Mapping[str, tuple[Sample, ...]]
    pixels: PixelFormat = RGB
