"""The pictures of a report: overlays and errors as small JPEGs inside data URIs."""

import base64
import io
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from intarsia.data import Classes, overlay
from intarsia.shapes import Mask, RGBImage

LONGEST_SIDE = 448  # a panel is at most 224 CSS pixels wide on a wide screen; twice that is sharp on a dense one
_OPACITY = 0.6
_WRONG = np.array([214, 40, 40], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Example:
    """One image of the evaluated set with its truth and its prediction, all of one height and width.

    Args:
        name: what stands under the pictures, as a rule the file's stem.
        image: the picture.
        truth: its true mask; 255 (65535 in ``uint16``) is left out of the errors.
        prediction: its predicted mask.
        mean_iou: of this image alone; the examples are shown with the lowest first. It may be nan.
    """

    name: str
    image: RGBImage
    truth: Mask
    prediction: Mask
    mean_iou: float

    def shrunk(self) -> "Example":
        """At the size of the report, where it gives the same pictures and takes little memory."""
        image = _shrink_image(self.image)
        height, width, _ = image.shape
        truth, prediction = (shrink_mask(mask, height, width) for mask in (self.truth, self.prediction))
        return replace(self, image=image, truth=truth, prediction=prediction)


def panels(example: Example, classes: Classes) -> list[tuple[str, str]]:
    """Caption and data URI of the image, the truth over it, the prediction over it, and its errors.

    The overlays lie on the grey picture, so that every colour in them is the colour of a class.
    """
    small = example.shrunk()
    grey = _grey(small.image)
    return [
        ("image", data_uri(small.image)),
        ("truth", data_uri(overlay(grey, small.truth, classes, _OPACITY))),
        ("prediction", data_uri(overlay(grey, small.prediction, classes, _OPACITY))),
        ("errors", data_uri(_errors(grey, small.truth, small.prediction, classes.ignore))),
    ]


def _shrink_image(image: RGBImage) -> UInt8[np.ndarray, "h w 3"]:
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def shrink_mask(mask: Mask, height: int, width: int) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
    """The value under the centre of each new pixel."""
    rows = (np.arange(height) * 2 + 1) * mask.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * mask.shape[1] // (2 * width)
    return mask[rows[:, None], columns]


def _grey(image: RGBImage) -> RGBImage:
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def _errors(grey: RGBImage, truth: Mask, prediction: Mask, ignore: int) -> RGBImage:
    """Wrong pixels in red on a pale picture; a pixel that either mask ignores is not wrong."""
    wrong = (truth != prediction) & (truth != ignore) & (prediction != ignore)
    pale = 110 + 0.5 * grey.astype(np.float32)
    return np.where(wrong[..., None], 0.85 * _WRONG + 0.15 * pale, pale).astype(np.uint8)


def data_uri(image: RGBImage) -> str:
    """The picture as a JPEG that a page can hold."""
    buffer = io.BytesIO()
    # Without chroma subsampling, which would blur the borders between class colours, and without `optimize`, for which
    # Pillow has too small a buffer where a picture is noise.
    Image.fromarray(image).save(buffer, format="JPEG", quality=85, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
