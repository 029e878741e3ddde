"""What may be given to a segmenter becomes an array."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps

from intarsia.data import PixelFormat, read_image
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.images import to_8_bits
from intarsia.errors import ArgumentError
from intarsia.shapes import Picture

Source = str | Path | Shaped[np.ndarray, "H W C"] | Image.Image


def picture_of(source: Source, pixels: PixelFormat, max_pixels: int = MAX_PIXELS) -> Picture:
    """An image with as many channels as the network was trained on, from a file, an array or a PIL image.

    Raises:
        DataError: the file cannot be read, has other bands, or more than `max_pixels` pixels.
        ArgumentError: the image has another number of channels or bits, or is no image.
    """
    channels = pixels.channels
    if isinstance(source, str | Path):
        picture = read_image(Path(source), pixels, max_pixels=max_pixels)
    elif isinstance(source, Image.Image):
        picture = _from_pillow(source, channels)
    elif isinstance(source, np.ndarray):
        scaled = source.dtype != np.uint8 and source.dtype.kind in "uif" and pixels.limits is not None
        picture = to_8_bits(source, *pixels.limits) if scaled and pixels.limits else source
    else:
        raise ArgumentError(
            f"An image must be a path, a NumPy array or a PIL image, not {type(source).__name__}; "
            "for a tensor pass `tensor.permute(1, 2, 0).cpu().numpy()`."
        )
    if picture.ndim == 2 and channels == 1:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[-1] != channels or picture.dtype != np.uint8 or 0 in picture.shape:
        kind = " RGB" if channels == 3 else ""
        raise ArgumentError(
            f"An image must be (H, W, {channels}) uint8{kind} for this network, "
            f"not {picture.shape} {picture.dtype}; convert it."
        )
    return picture


def _from_pillow(picture: Image.Image, channels: int) -> Picture:
    """Upright, and RGB if the network wants three channels."""
    if picture.mode[0] in "IF":
        raise ArgumentError(
            f"A PIL image of mode {picture.mode} has no known full scale; pass its path, or convert it to 8 bits."
        )
    picture = ImageOps.exif_transpose(picture)
    return np.atleast_3d(np.array(picture.convert("RGB") if channels == 3 else picture))
