"""Depths and their errors as pictures in colours, with a bar that says what the colours mean.

Both tables of colours are even to the eye: equal steps of the number are equal steps in OKLab (Ottosson, 2020), so that
no depth looks like an edge that is none.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from PIL import Image, ImageDraw, ImageFont

from intarsia.data.depth.files import Depth
from intarsia.errors import ArgumentError
from intarsia.shapes import RGBImage

Colours = UInt8[np.ndarray, "256 3"]

UNKNOWN = (0, 0, 0)

# Lightness, chroma and hue in degrees: from far to near, cold and dark to warm and bright.
_DEPTH_STOPS = ((0.33, 0.13, 285), (0.46, 0.17, 312), (0.60, 0.19, 10), (0.74, 0.17, 48), (0.92, 0.12, 98))
# From too near (warm) over exact (nearly white) to too far (cold); both halves are equally dark.
_ERROR_STOPS = ((0.42, 0.15, 28), (0.66, 0.15, 42), (0.96, 0.0, 70), (0.66, 0.12, 245), (0.42, 0.14, 260))
_INNER = (1.0, 99.0)  # percentiles between which colours are spread: a few stray pixels shall not take them all

_PAPER, _INK = (250, 249, 246), (40, 40, 40)
_READABLE = 320  # pixels of the longer side, about, to which small pictures are enlarged
_LEAST_WIDTH = 140  # pixels that a bar's numbers need
_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@lru_cache(maxsize=2)
def colours_of(kind: str) -> Colours:
    """The 256 colours of "depth", from near to far, or of "error", from too near over exact to too far."""
    stops = _DEPTH_STOPS[::-1] if kind == "depth" else _ERROR_STOPS
    colours = _even(stops)
    colours.setflags(write=False)
    return colours


def depth_range(*depths: Float32[np.ndarray, "_ _"]) -> tuple[float, float]:
    """Near and far for pictures of some depth maps together: the 1st and 99th percentile of what is known.

    Raises:
        ArgumentError: no depth is known.

    >>> depth_range(np.array([[0, 2.0, 2.0]], np.float32), np.array([[4.0]], np.float32))[0]
    2.0
    """
    known = np.concatenate([depth[depth > 0] for depth in depths]) if depths else np.empty(0)
    if not known.size:
        raise ArgumentError("No depth is known in any of the maps, so that there is nothing to colour.")
    near, far = (float(value) for value in np.percentile(known, _INNER))
    return near, far if far > near else near + max(near, 1.0) * 0.01


def coloured_depth(depth: Depth, near: float, far: float) -> RGBImage:
    """Depths as colours, near ones warm and bright, far ones cold and dark; unknown ones (0) are black.

    Nearer than `near` and farther than `far` have the colours of these.

    Raises:
        ArgumentError: `near` is not below `far`.

    >>> coloured_depth(np.array([[0, 1.0, 3.0]], np.float32), 1, 3).tolist()
    [[[0, 0, 0], [250, 230, 133], [50, 36, 116]]]
    """
    _check_range(near, far)
    return _painted((depth - near) / (far - near), colours_of("depth"), depth <= 0)


def coloured_error(truth: Depth, prediction: Depth, limit: float) -> RGBImage:
    """How far predictions are off as colours: too near is warm, too far is cold, exact is white, no truth is black.

    The sign is shown because it tells the two mistakes of a completed map apart: a foreground that runs into its
    background and the reverse. Errors beyond `limit` metres have the colours of ± `limit`.

    Raises:
        ArgumentError: the maps differ in shape, or `limit` is not above 0.
    """
    if truth.shape != prediction.shape:
        raise ArgumentError(f"`truth` {truth.shape} and `prediction` {prediction.shape} must have one shape.")
    _check_range(-limit, limit)
    return _painted((prediction - truth) / (2 * limit) + 0.5, colours_of("error"), truth <= 0)


def with_scale_bar(
    picture: RGBImage, low: float, high: float, kind: str = "depth"
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture above a bar of the colours of :func:`colours_of` from `low` to `high`, with metres in text.

    A small picture is enlarged by a whole factor, and a narrow one gets margins, so that the text has room.

    Raises:
        ArgumentError: `low` is not below `high`.
    """
    _check_range(low, high)
    factor = max(1, _READABLE // max(picture.shape[:2]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    rows, columns = picture.shape[:2]
    width = max(columns, _LEAST_WIDTH)
    size = int(np.clip(width // 36, 10, 28))  # of the letters
    gap, thick = size // 2, size
    sheet = Image.new("RGB", (width, rows + 2 * gap + thick + round(1.6 * size)), _PAPER)
    sheet.paste(Image.fromarray(picture), ((width - columns) // 2, 0))
    margin = 2 * size  # half a number stands beyond each end
    length = width - 2 * margin
    steps = np.rint(np.linspace(0, 255, length)).astype(int)
    bar = np.broadcast_to(colours_of(kind)[steps], (thick, length, 3))
    sheet.paste(Image.fromarray(np.ascontiguousarray(bar)), (margin, rows + gap))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for value in ticks(low, high, max(3, length // (6 * size))):
        x = margin + (value - low) / (high - low) * (length - 1)
        draw.line([(x, rows + gap + thick), (x, rows + gap + thick + size // 4)], fill=_INK)
        draw.text((x, rows + gap + thick + size // 3), metres(value, kind), fill=_INK, font=font, anchor="ma")
    return np.array(sheet)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`: as many as there are, but at most so many.

    >>> ticks(2.1, 5.0, 4), ticks(-0.2, 0.2, 5)
    ([3.0, 4.0, 5.0], [-0.2, -0.1, 0.0, 0.1, 0.2])
    """
    steps = 10.0 ** np.floor(np.log10((high - low) / most)) * np.array((1, 2, 5, 10, 20))
    first, last = np.ceil(low / steps - 1e-6), np.floor(high / steps + 1e-6)
    chosen = np.flatnonzero(last - first < most)[0]
    indices = np.arange(first[chosen], last[chosen] + 1)
    return [float(round(index * steps[chosen], 9)) + 0.0 for index in indices]  # - 0 becomes 0


def metres(value: float, kind: str = "depth") -> str:
    """A length as a bar says it; errors with their sign, in ASCII, since Pillow's own letters have no other minus.

    >>> metres(2.5), metres(0.1, "error"), metres(-0.1, "error")
    ('2.5 m', '+0.1 m', '-0.1 m')
    """
    return f"{value:{'+' if kind == 'error' and value else ''}.6g} m"


def _check_range(low: float, high: float) -> None:
    if not low < high:
        raise ArgumentError(
            f"The colours must rise from a lower to a higher number of metres, not {low:g} to {high:g}."
        )


def _painted(share: Depth, colours: Colours, unknown: Bool[np.ndarray, "H W"]) -> RGBImage:
    places = np.rint(np.nan_to_num(share).clip(0, 1) * 255).astype(np.uint8)
    return np.where(unknown[..., None], np.array(UNKNOWN, np.uint8), colours[places])


def _even(stops: Sequence[tuple[float, float, float]]) -> UInt8[np.ndarray, "256 3"]:
    """256 colours at equal distances in OKLab along the smooth curve through the stops."""
    from scipy.interpolate import PchipInterpolator

    lightness, chroma, hue = np.array(stops).T
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    fine = np.asarray(PchipInterpolator(np.arange(len(stops)), lab)(np.linspace(0, len(stops) - 1, 4096)))
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    places = np.linspace(0, walked[-1], 256)
    even = np.stack([np.interp(places, walked, channel) for channel in fine.T], axis=1)
    return np.rint(255 * _srgb(even)).astype(np.uint8)


def _srgb(lab: Float64[np.ndarray, "N 3"]) -> Float64[np.ndarray, "N 3"]:
    """From OKLab to sRGB in 0 … 1."""
    linear = ((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
