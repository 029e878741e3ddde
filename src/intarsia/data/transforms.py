"""Augmentation: random scale, crop, flip and colour, a pure function of image, mask, strengths and generator."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16
from PIL import Image

from intarsia.errors import ArgumentError
from intarsia.shapes import IGNORE, IGNORE_UINT16, RGBImage

PADDING_COLOUR = (124, 116, 104)  # the mean colour of ImageNet: nearly zero once an image is normalised
_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as in Pillow's conversion to grey


@dataclass(frozen=True)
class Augmentation:
    """What is drawn at random, and how strongly.

    Attributes:
        crop_size: rows and columns of the result.
        scale: smallest and largest magnification; drawn uniformly in its logarithm.
        flip: the probability of a horizontal flip.
        brightness, contrast, saturation: a factor is drawn uniformly from 1 ± strength; 0 leaves the colours alone.

    Raises:
        ArgumentError: a size below 1, a scale that is not 0 < smallest ≤ largest, another number outside 0 … 1.
    """

    crop_size: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2

    def __post_init__(self) -> None:
        if min(self.crop_size) < 1:
            raise ArgumentError(f"`crop_size` (={self.crop_size}) must be at least one row and one column.")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ArgumentError(f"`scale` (={self.scale}) must be (smallest, largest) with 0 < smallest ≤ largest < ∞.")
        for name in ("flip", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(f"`{name}` (={getattr(self, name)}) must lie between 0 and 1.")


@dataclass(frozen=True)
class _Window:
    """One axis of the geometry: `length` pixels of the magnified image from `start` on go to `place` in the result."""

    size: int  # of the image
    scaled: int  # of the magnified image
    start: int
    place: int
    length: int

    def box(self) -> tuple[float, float]:
        """The window's two edges in the image's own pixels."""
        step = self.size / self.scaled
        return self.start * step, min((self.start + self.length) * step, float(self.size))

    def nearest(self) -> Int[np.ndarray, "length"]:
        """For each pixel of the window the image's pixel that holds its centre."""
        centres = (self.start + np.arange(self.length) + 0.5) * (self.size / self.scaled)
        return np.minimum(centres.astype(np.intp), self.size - 1)

    def target(self) -> slice:
        return slice(self.place, self.place + self.length)


def generator_for(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random generator of one sample in one epoch, independent of every other sample and of any order of work.

    Raises:
        ArgumentError: a number is negative.

    >>> int(generator_for(0, 1, 2).integers(1000))
    555
    """
    if min(seed, epoch, index) < 0:
        raise ArgumentError(f"seed, epoch and index (={seed}, {epoch}, {index}) must not be negative.")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch, index))))


def augment(
    image: UInt8[np.ndarray, "H W 3"],
    mask: UInt8[np.ndarray, "_ _"] | UInt16[np.ndarray, "_ _"],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]]:
    """A random view of a sample: `crop_size` pixels of the magnified image, perhaps flipped, with changed colours.

    Image (bilinear, with antialias) and mask (nearest) share one geometry in which pixel centres agree: as if both were
    resized whole and then cropped. Outside of the image are `PADDING_COLOUR` and ignore.

    Raises:
        ArgumentError: image and mask differ in size.
    """
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"The image (={image.shape[:2]}) and the mask (={mask.shape}) must have the same rows and columns."
        )
    # Always the same seven draws, so that changing one strength leaves what the others do alone.
    draws = generator.random(7)
    low, high = np.log(augmentation.scale)
    scale = float(np.exp(low + (high - low) * draws[0]))
    rows = _window(image.shape[0], augmentation.crop_size[0], scale, draws[1])
    columns = _window(image.shape[1], augmentation.crop_size[1], scale, draws[2])
    strengths = np.array((augmentation.brightness, augmentation.contrast, augmentation.saturation))
    factors = 1 + strengths * (2 * draws[4:7] - 1)

    new_image = np.empty((*augmentation.crop_size, 3), np.uint8)
    new_image[:] = PADDING_COLOUR
    new_image[rows.target(), columns.target()] = np.asarray(_recoloured(_resampled(image, rows, columns), factors))
    new_mask = np.full(augmentation.crop_size, IGNORE if mask.dtype == np.uint8 else IGNORE_UINT16, mask.dtype)
    new_mask[rows.target(), columns.target()] = mask[rows.nearest()][:, columns.nearest()]
    if draws[3] < augmentation.flip:
        return np.ascontiguousarray(new_image[:, ::-1]), np.ascontiguousarray(new_mask[:, ::-1])
    return new_image, new_mask


def _window(size: int, crop: int, scale: float, draw: float) -> _Window:
    """Where the crop lies: within the magnified image if that is larger, around it otherwise."""
    scaled = max(1, round(size * scale))
    offset = int(draw * (abs(scaled - crop) + 1))
    if scaled >= crop:
        return _Window(size, scaled, start=offset, place=0, length=crop)
    return _Window(size, scaled, start=0, place=offset, length=scaled)


def _resampled(image: RGBImage, rows: _Window, columns: _Window) -> Image.Image:
    top, bottom = rows.box()
    left, right = columns.box()
    # With a box Pillow computes only what is kept, and its filter still sees the pixels around the box.
    return Image.fromarray(image).resize(
        (columns.length, rows.length), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )


def _recoloured(picture: Image.Image, factors: Float[np.ndarray, "3"]) -> Image.Image:
    """Brightness, then contrast about the mean grey, then saturation about each pixel's grey: one affine map of RGB."""
    brightness, contrast, saturation = factors
    if brightness == contrast == saturation == 1:
        return picture
    mean = float(np.asarray(picture.convert("L")).mean()) * brightness
    mix = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    matrix = np.hstack([brightness * contrast * mix, np.full((3, 1), (1 - contrast) * mean)])
    return picture.convert("RGB", tuple(matrix.ravel().tolist()))
