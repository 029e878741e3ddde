"""Arrays made visible: heat over a picture, marks, the colours of three components."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from intarsia.shapes import RGBImage

SIDE = 512  # a small picture is enlarged to about this, so that marks and cells have sharp edges
# Dark to light through warm colours: lightness rises evenly, so that it reads in grey as well.
_RAMP = np.array([(14, 11, 32), (66, 22, 92), (140, 38, 99), (210, 72, 66), (244, 144, 44), (252, 226, 140)], float)
_HEAT, _INK, _HALO = 0.72, (20, 20, 20), (255, 255, 255)


def heat(values: Float[np.ndarray, "H W"], top: float | None = None) -> RGBImage:
    """Values from 0 (dark) to ``top`` (light), by default the largest.

    >>> heat(np.array([[0.0, 1.0]])).tolist()
    [[[14, 11, 32], [252, 226, 140]]]
    """
    largest = float(values.max()) if top is None else top
    share = np.clip(values / largest if largest > 0 else np.zeros_like(values), 0, 1) * (len(_RAMP) - 1)
    stops = np.arange(len(_RAMP))
    return np.stack([np.interp(share, stops, channel) for channel in _RAMP.T], -1).round().astype(np.uint8)


def heat_over(picture: RGBImage, values: Float[np.ndarray, "H W"], top: float | None = None) -> RGBImage:
    """Values over the grey picture."""
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)[..., None]
    return (_HEAT * heat(values, top) + (1 - _HEAT) * grey).round().astype(np.uint8)


def enlarged(picture: RGBImage) -> UInt8[np.ndarray, "_ _ 3"]:
    """A small picture a whole number of times as large, with its pixels' edges.

    >>> enlarged(np.zeros((100, 120, 3), np.uint8)).shape
    (400, 480, 3)
    """
    factor = max(1, round(SIDE / max(picture.shape)))
    return picture.repeat(factor, 0).repeat(factor, 1)


def marked(
    picture: RGBImage, points: Sequence[tuple[int, int]], names: Sequence[str] = ()
) -> UInt8[np.ndarray, "_ _ 3"]:
    """A ring around each (x, y), enlarged as by :func:`enlarged`, with its name beside it."""
    large = Image.fromarray(enlarged(picture))
    factor = large.width / picture.shape[1]
    radius = max(large.size) / 56
    draw = ImageDraw.Draw(large)
    for i, (x, y) in enumerate(points):
        centre = ((x + 0.5) * factor, (y + 0.5) * factor)
        for colour, width, more in ((_INK, 5, 1.5), (_HALO, 2, 0.0)):
            box = [c + sign * (radius + more) for sign in (-1, 1) for c in centre]
            draw.ellipse(box, outline=colour, width=width)
        if i < len(names):
            _write(draw, centre, radius, names[i], large.size)
    return np.asarray(large)


def _write(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, text: str, size: tuple[int, int]
) -> None:
    """Right of the ring, or left where there is no room."""
    fits = centre[0] + radius + 8 * len(text) + 12 < size[0]
    anchor, offset = ("lm", radius + 6) if fits else ("rm", -radius - 6)
    draw.text(
        (centre[0] + offset, centre[1]),
        text,
        fill=_HALO,
        anchor=anchor,
        font_size=max(size) / 36,
        stroke_width=2,
        stroke_fill=_INK,
    )


def in_colours(components: Float[np.ndarray, "3 H W"]) -> RGBImage:
    """Three components as red, green and blue; each from its 1st to its 99th percentile, so that no outlier rules."""
    low, high = (np.percentile(components, q, axis=(1, 2), keepdims=True) for q in (1, 99))
    spread = np.where(high > low, high - low, 1)
    return (255 * np.clip((components - low) / spread, 0, 1)).round().astype(np.uint8).transpose(1, 2, 0)
