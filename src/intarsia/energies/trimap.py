"""Trimaps: what is known before a cut. 0 background, 1 foreground, 2 probably background, 3 probably foreground."""

import operator

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from intarsia.errors import ArgumentError
from intarsia.shapes import Window

BACKGROUND, FOREGROUND, PROBABLY_BACKGROUND, PROBABLY_FOREGROUND = range(4)

Trimap = UInt8[np.ndarray, "H W"]


def trimap_of_box(box: tuple[int, int, int, int], size: tuple[int, int]) -> Trimap:
    """Probably foreground within ``(left, top, right, bottom)``, right and bottom not included, background elsewhere.

    What lies outside of an image with `size` rows and columns is cut off.

    Raises:
        ArgumentError: the box is no four whole numbers, encloses nothing, lies outside, or leaves nothing outside.

    >>> trimap_of_box((1, 0, 9, 1), (2, 3)).tolist()
    [[0, 3, 3], [0, 0, 0]]
    """
    try:
        left, top, right, bottom = (operator.index(edge) for edge in box)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"`box` (={box!r}) must be four whole numbers: left, top, right, bottom.") from error
    if left >= right or top >= bottom:
        raise ArgumentError(
            f"`box` (={box!r}) encloses nothing; it must be left, top, right, bottom, as in (10, 20, 90, 80)."
        )
    height, width = size
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise ArgumentError(f"`box` (={box!r}) lies outside of the image of {width}×{height} pixels; draw it inside.")
    trimap = np.zeros(size, np.uint8)
    trimap[max(top, 0) : bottom, max(left, 0) : right] = PROBABLY_FOREGROUND
    if trimap.all():
        raise ArgumentError(
            f"`box` (={box!r}) covers the whole image of {width}×{height} pixels, but colours of the background are "
            "learned outside of it: leave a margin, or give a `trimap`."
        )
    return trimap


def trimap_of_mask(mask: Bool[np.ndarray, "H W"], band: float) -> Trimap:
    """What a coarse mask knows whose outline may be off by `band` pixels: all that lies farther from it on either side.

    The rest is supposed to be as the mask says. A part that is nowhere more than `band` pixels away from the outline,
    such as a speck of noise, or a thin object, leaves no certain pixel.

    Raises:
        ArgumentError: the band is negative or not finite.

    >>> trimap_of_mask(np.array([[True, True, True, False, False, False, False]]), band=2).tolist()
    [[1, 3, 3, 2, 2, 0, 0]]
    """
    from scipy.ndimage import distance_transform_edt  # which others than users of coarse masks need not wait for

    if not 0 <= band < np.inf:
        raise ArgumentError(f"`band` (={band}) must be a number of pixels from 0 on.")
    trimap = mask.astype(np.uint8)
    if mask.any() and not mask.all():
        distances = [np.asarray(distance_transform_edt(side)) for side in (mask, ~mask)]  # to the other side; 0 on it
        trimap[np.maximum(*distances) <= band] |= 2
    return trimap


def checked_trimap(trimap: Shaped[np.ndarray, "..."], size: tuple[int, int]) -> Trimap:
    """A copy.

    Raises:
        ArgumentError: it has another size than the image, or holds something else than codes.
    """
    trimap = np.asarray(trimap)
    if trimap.shape != size:
        raise ArgumentError(
            f"`trimap` has the shape {trimap.shape}; the image has {size[0]} rows and {size[1]} columns."
        )
    if trimap.dtype.kind not in "bui" or (trimap.size and (trimap.max() > PROBABLY_FOREGROUND or trimap.min() < 0)):
        strange = np.setdiff1d(trimap, range(4))[:1].tolist() if trimap.dtype.kind in "bui" else trimap.dtype
        raise ArgumentError(
            f"`trimap` holds {strange}; its codes are 0 background, 1 foreground, 2 probably background, "
            "3 probably foreground."
        )
    return trimap.astype(np.uint8)


def probably(trimap: Trimap) -> Bool[np.ndarray, "H W"]:
    """The foreground that it supposes."""
    return (trimap & 1).astype(np.bool_)


def with_labels(trimap: Trimap, foreground: Bool[np.ndarray, "H W"]) -> Trimap:
    """What is known stays; the rest is supposed to be as the labels say."""
    return np.where(trimap < 2, trimap, foreground + np.uint8(PROBABLY_BACKGROUND))


def window_of(trimap: Trimap) -> Window:
    """The least window with all that is not certain background, and a margin of one pixel: no outline leaves it."""
    return _span(trimap.max(axis=1)), _span(trimap.max(axis=0))


def _span(wanted: UInt8[np.ndarray, "n"]) -> slice:
    places = np.flatnonzero(wanted)
    return slice(max(0, int(places[0]) - 1), int(places[-1]) + 2) if len(places) else slice(0, 1)


def halved_trimap(trimap: Trimap) -> UInt8[np.ndarray, "h w"]:
    """Half the rows and columns: known where four pixels agree, otherwise what most of them suppose."""
    even = np.pad(trimap, [(0, length % 2) for length in trimap.shape], "edge")
    corners = even[::2, ::2], even[::2, 1::2], even[1::2, ::2], even[1::2, 1::2]
    votes = sum(corner & 1 for corner in corners)
    agreed = np.logical_and.reduce([corner == corners[0] for corner in corners[1:]]) & (corners[0] < 2)
    return np.where(agreed, corners[0], (votes >= 2) + np.uint8(PROBABLY_BACKGROUND))


def enlarged(labels: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Labels of an image that was halved a few times, at its size before."""
    times = 1
    while times * labels.shape[0] < size[0] or times * labels.shape[1] < size[1]:
        times *= 2
    return labels.repeat(times, axis=0).repeat(times, axis=1)[: size[0], : size[1]]


def carried(foreground: Bool[np.ndarray, "_ _"], trimap: Trimap) -> Bool[np.ndarray, "H W"]:
    """Labels of the same or half the size, in accordance with the trimap."""
    return probably(with_labels(trimap, enlarged(foreground, trimap.shape)))
