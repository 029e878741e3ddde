"""Masks made visible: colours, overlays, and sheets of many pictures."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image, ImageDraw, ImageFont

from intarsia.data.classes import Classes
from intarsia.data.colours import IGNORE_COLOUR
from intarsia.errors import ArgumentError
from intarsia.shapes import Mask, Picture, RGBImage

_PAPER = (250, 249, 246)
_INK = (40, 40, 40)
_MARGIN = 6
_BORDER_DARKNESS = 0.45  # of the class colour: seen on bright and dark images alike


def colourise(mask: Mask, classes: Classes) -> RGBImage:
    """Each pixel in its class's colour, ignored ones in light grey.

    >>> import numpy as np
    >>> colourise(np.array([[0, 255]], np.uint8), Classes(("sky", "road"), ((80, 160, 255), (90, 90, 90)))).tolist()
    [[[80, 160, 255], [232, 232, 232]]]
    """
    if classes.dtype == np.uint8 and mask.dtype == np.uint8:
        return classes.palette()[mask]
    table = np.zeros((65536, 3), np.uint8)
    table[: classes.count] = classes.colours
    table[classes.ignore] = IGNORE_COLOUR
    return table[mask]


def as_rgb(image: Picture) -> RGBImage:
    """An image of any number of channels as one to look at: one or two are grey, of more the first three are shown.

    >>> as_rgb(np.array([[[5, 6]]], np.uint8)).tolist()
    [[[5, 5, 5]]]
    """
    if image.shape[2] < 3:
        return np.repeat(image[:, :, :1], 3, axis=2)
    return image[:, :, :3]


def overlay(
    image: Picture,
    mask: UInt8[np.ndarray, "_ _"] | UInt16[np.ndarray, "_ _"],
    classes: Classes,
    opacity: float = 0.5,
) -> RGBImage:
    """The image tinted with the classes' colours, with thin dark lines along their borders; ignored pixels stay.

    Raises:
        ArgumentError: image and mask differ in size, or the opacity is outside 0 … 1.
    """
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"The image (={image.shape[:2]}) and the mask (={mask.shape}) must have the same rows and columns."
        )
    if not 0 <= opacity <= 1:
        raise ArgumentError(f"`opacity` (={opacity}) must lie between 0 (the image alone) and 1 (the colours alone).")
    image = as_rgb(image)
    colours = colourise(mask, classes).astype(np.float32)
    tinted = image * np.float32(1 - opacity) + colours * np.float32(opacity)
    if opacity > 0:
        border = _borders(mask, classes.ignore)
        tinted[border] = colours[border] * _BORDER_DARKNESS
    return np.where((mask == classes.ignore)[:, :, None], image, np.round(tinted).astype(np.uint8))


def contact_sheet(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ _"]]], titles: Sequence[str] | None = None, cell: int = 256
) -> RGBImage:
    """Pictures in a grid with small margins, each fitted into a square of `cell` pixels, with titles above the columns.

    Raises:
        ArgumentError: there is no picture, or `cell` is below 1.
    """
    width = max((len(row) for row in rows), default=0)
    if width == 0 or cell < 1:
        raise ArgumentError(f"A contact sheet needs at least one picture and a `cell` (={cell}) of at least 1 pixel.")
    head = 20 if titles else 0
    step = cell + _MARGIN
    sheet = Image.new("RGB", (width * step + _MARGIN, head + len(rows) * step + _MARGIN), _PAPER)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            fitted = _fitted(as_rgb(picture), cell)
            left = _MARGIN + j * step + (cell - fitted.width) // 2
            sheet.paste(fitted, (left, head + _MARGIN + i * step + (cell - fitted.height) // 2))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for j, title in enumerate(titles or ()):
        draw.text((_MARGIN + j * step + 2, 7), title, fill=_INK, font=font)
    return np.array(sheet)


def _fitted(picture: RGBImage, cell: int) -> Image.Image:
    rows, columns = picture.shape[:2]
    scale = cell / max(rows, columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    # Enlarged pixels stay sharp, because masks are looked at closely.
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, method)


def _borders(mask: Mask, ignore: int) -> Bool[np.ndarray, "H W"]:
    """Pixels whose right or lower neighbour is of another class; ignored ones are of none."""
    border = np.zeros(mask.shape, bool)
    border[:, :-1] |= (mask[:, :-1] != mask[:, 1:]) & (mask[:, 1:] != ignore)
    border[:-1] |= (mask[:-1] != mask[1:]) & (mask[1:] != ignore)
    return border
