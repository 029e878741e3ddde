"""TIFF files beyond Pillow: any number of bands, 16 bits and fractions, and windows of tiled files."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from intarsia.shapes import Window

_PLAIN = (1, 8, 32946, 34925)  # compressions that tifffile reads alone: none, Deflate twice, LZMA
_GREY, _RGB, _INVERTED = 1, 2, 0  # photometric interpretations
_ORIENTATION = 0x0112  # as in EXIF


@contextmanager
def first_page(path: Path | str) -> Iterator[Any]:
    """The first page of a TIFF file, as tifffile knows it: `shape`, `dtype`, `axes`, tags."""
    import logging

    from tifffile import TiffFile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it reports what it then raises or mends
    with TiffFile(path) as file:
        yield file.pages[0]


def is_beyond_pillow(page: Any) -> bool:
    """Whether Pillow would lose bands or bits."""
    if page.photometric not in (_INVERTED, _GREY, _RGB):
        return False  # palettes, CMYK, YCbCr are Pillow's
    ordinary = {_RGB: 3}.get(page.photometric, 1)
    extra = page.samplesperpixel - ordinary
    alpha = extra == 1 and bool(page.extrasamples) and page.extrasamples[0] != 0
    return (extra > 0 and not alpha) or page.bitspersample not in (1, 8) or page.dtype.kind not in "bu"


def is_readable(page: Any) -> bool:
    """Whether tifffile decodes it alone, in parts."""
    return (
        page.compression in _PLAIN
        and page.photometric in (_INVERTED, _GREY, _RGB)
        and page.bitspersample in (8, 16, 32, 64)
        and page.imagedepth == 1
    )


def bands(page: Any) -> int:
    """Samples a pixel without alpha."""
    alpha = sum(extra != 0 for extra in page.extrasamples)
    return int(page.samplesperpixel) - alpha


def orientation(page: Any) -> int:
    """The EXIF orientation, 1 … 8; 1 (upright) if there is none."""
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def read(page: Any, window: Window | None) -> Shaped[np.ndarray, "H W *C"]:
    """The pixels of a page or of a window, of which only the tiles or strips that it touches are decoded."""
    rows, columns = window or (slice(0, page.imagelength), slice(0, page.imagewidth))
    if is_readable(page):
        pixels = _from_segments(page, rows, columns)
    else:
        pixels = page.asarray()
        pixels = np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
        pixels = pixels.reshape(page.imagelength, page.imagewidth, -1)[rows, columns]
    if bands(page) < page.samplesperpixel:
        first = page.samplesperpixel - len(page.extrasamples)
        kept = [i for i in range(page.samplesperpixel) if i < first or page.extrasamples[i - first] == 0]
        pixels = pixels[:, :, kept]
    if page.photometric == _INVERTED and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _from_segments(page: Any, rows: slice, columns: slice) -> Shaped[np.ndarray, "H W S"]:
    """Tiles and strips share one grid of (plane, rows, columns); what no segment fills stays 0."""
    planes, samples = (page.samplesperpixel, 1) if page.planarconfig == 2 else (1, page.samplesperpixel)
    high, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    high = min(high, page.imagelength) if not page.is_tiled else high
    across, down = -(-page.imagewidth // wide), -(-page.imagelength // high)
    pixels = np.zeros((rows.stop - rows.start, columns.stop - columns.start, page.samplesperpixel), page.dtype)
    touched = product(
        range(planes),
        range(rows.start // high, -(-rows.stop // high)),
        range(columns.start // wide, -(-columns.stop // wide)),
    )
    for plane, i, j in touched:
        index = (plane * down + i) * across + j
        if page.databytecounts[index] == 0:
            continue  # a sparse file
        page.parent.filehandle.seek(page.dataoffsets[index])
        data = page.parent.filehandle.read(page.databytecounts[index])
        segment, _, _ = page.decode(data, index)
        top, left = i * high, j * wide
        bottom, right = min(top + high, page.imagelength), min(left + wide, page.imagewidth)
        inside = (
            slice(max(top, rows.start), min(bottom, rows.stop)),
            slice(max(left, columns.start), min(right, columns.stop)),
        )
        source = segment[
            0, inside[0].start - top : inside[0].stop - top, inside[1].start - left : inside[1].stop - left
        ]
        place = (
            slice(inside[0].start - rows.start, inside[0].stop - rows.start),
            slice(inside[1].start - columns.start, inside[1].stop - columns.start),
        )
        pixels[(*place, slice(plane, plane + samples) if planes > 1 else slice(None))] = source
    return pixels
