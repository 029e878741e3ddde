"""Blur, brightness, contrast and saturation: what a view's pixels look like, whatever their geometry."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageFilter

from intarsia.shapes import Picture, RGBImage

PADDING_COLOUR = (124, 116, 104)  # the mean colour of ImageNet: nearly zero once an image is normalised
_MIDDLE_GREY = 128
_MODES = {4: "CMYK", 3: "RGB", 1: "L"}  # of four bands, none of which Pillow takes for transparency
_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as in Pillow's conversion to grey


@dataclass(frozen=True)
class Look:
    """Factors of brightness, contrast and saturation, and the standard deviation of a Gaussian blur in pixels."""

    brightness: float
    contrast: float
    saturation: float
    blur: float = 0.0

    def applied(self, picture: Picture, seen: Bool[np.ndarray, "H W"] | None) -> Picture:
        """Blur, then brightness, then contrast about the mean grey, then saturation about each pixel's grey.

        The mean is that of the pixels that are `seen`, by default all. Channels that are no colours have no common
        grey: unless there are three, each takes its contrast about its own mean, and saturation does nothing.
        """
        if self.blur > 0:
            filtered = ImageFilter.GaussianBlur(self.blur)
            picture = np.concatenate(
                [np.atleast_3d(np.asarray(band.filter(filtered))) for band in _bands(picture)], axis=2
            )
        if picture.shape[2] != 3:
            return self._each_channel(picture, seen)
        if self.brightness == self.contrast == self.saturation == 1:
            return picture
        return self._rgb(picture, seen)

    def _rgb(self, image: RGBImage, seen: Bool[np.ndarray, "H W"] | None) -> RGBImage:
        """One affine map of the colours."""
        picture = Image.fromarray(image)
        mean = _mean(np.asarray(picture.convert("L")), seen) * self.brightness
        mix = self.saturation * np.eye(3) + (1 - self.saturation) * np.tile(_LUMA, (3, 1))
        offset = np.full((3, 1), (1 - self.contrast) * mean)
        matrix = np.hstack([self.brightness * self.contrast * mix, offset])
        return np.array(picture.convert("RGB", tuple(matrix.ravel().tolist())))

    def _each_channel(self, picture: Picture, seen: Bool[np.ndarray, "H W"] | None) -> Picture:
        if self.brightness == self.contrast == 1:
            return picture
        result = np.empty_like(picture)
        for channel in range(picture.shape[2]):
            mean = _mean(picture[:, :, channel], seen)
            table = self.brightness * (mean + self.contrast * (np.arange(256) - mean))
            result[:, :, channel] = np.round(table.clip(0, 255)).astype(np.uint8)[picture[:, :, channel]]
        return result


def padding_colour(channels: int) -> tuple[int, ...]:
    """What lies outside of an image: a middle grey."""
    return PADDING_COLOUR if channels == 3 else (_MIDDLE_GREY,) * channels


def _bands(picture: Picture) -> Iterator[Image.Image]:
    """Groups of four, three or one channel, which is what Pillow works on at once."""
    rows, columns, channels = picture.shape
    first = 0
    while first < channels:
        count = next(count for count in _MODES if count <= channels - first)
        group = np.ascontiguousarray(picture[:, :, first : first + count])
        yield Image.frombuffer(_MODES[count], (columns, rows), group, "raw", _MODES[count], 0, 1)
        first += count


def _mean(grey: UInt8[np.ndarray, "H W"] | Float[np.ndarray, "H W"], seen: Bool[np.ndarray, "H W"] | None) -> float:
    if seen is None:
        return float(grey.mean())
    return float(grey[seen].mean()) if seen.any() else 0.0
