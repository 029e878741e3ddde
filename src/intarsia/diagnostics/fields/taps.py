"""Along one axis: which positions of an operation's input each position of its output reads.

Taps are an integer array (T, N): output position n reads the input positions ``taps[:, n]``; −1 stands for none.
"""

import math

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

Taps = Int[ndarray, "_ _"]

ROUNDING = 1e-4  # positions: what float32 may be off in the place of a resized map's pixel


def convolution_taps(rows: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Output o reads o · stride − padding + t · dilation for each tap t; also of a pooling.

    >>> convolution_taps(4, 2, kernel=3, stride=2, padding=1, dilation=1).T
    array([[-1,  0,  1],
           [ 1,  2,  3]])
    """
    places = np.arange(out) * stride - padding + np.arange(kernel)[:, None] * dilation
    return _inside(places, rows)


def deconvolution_taps(rows: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Output o reads each i with o = i · stride − padding + t · dilation.

    >>> deconvolution_taps(2, 4, kernel=3, stride=2, padding=1, dilation=1).max(0)
    array([0, 1, 1, 1])
    """
    ahead = np.arange(out) + padding - np.arange(kernel)[:, None] * dilation
    return _inside(np.where(ahead % stride == 0, ahead // stride, -1), rows)


def nearest_taps(rows: int, out: int, scale: float) -> Taps:
    """``scale`` is input over output."""
    return np.minimum(np.floor(np.arange(out) * scale + 1e-6).astype(np.int64), rows - 1)[None]


def bilinear_taps(rows: int, out: int, scale: float, align_corners: bool) -> Taps:
    """The two positions between which each output lies, or the one that it hits; ``scale`` is input over output.

    Where rounding to float32 may put the output on either side of a position, both neighbours count.

    >>> bilinear_taps(2, 4, scale=0.5, align_corners=False).max(0)
    array([0, 1, 1, 1])
    """
    places = np.arange(out) * scale if align_corners else (np.arange(out) + 0.5) * scale - 0.5
    places = np.clip(places, 0, rows - 1)
    exact = not align_corners and math.frexp(scale)[0] == 0.5
    near = np.floor(places).astype(np.int64) + np.array([-1, 0, 1, 2])[:, None]
    return _inside(np.where(np.abs(near - places) < 1 + (0 if exact else ROUNDING), near, -1), rows)


def bin_taps(rows: int, bins: int) -> Taps:
    """Adaptive pooling: bin b reads ⌊b · rows / bins⌋ … ⌈(b + 1) · rows / bins⌉ − 1."""
    index = np.arange(bins)
    first, last = index * rows // bins, -(-(index + 1) * rows // bins)
    places = first + np.arange((last - first).max())[:, None]
    return np.where(places < last, places, -1)


def all_taps(rows: int) -> Taps:
    """One output that reads everything."""
    return np.arange(rows)[:, None]


def padding_taps(rows: int, before: int, after: int, mode: str = "constant") -> Taps:
    """Zeros read nothing, a mirror reads back, a repeated border reads the border; negative numbers crop."""
    places = np.arange(-before, rows + after)
    if mode == "reflect":
        places = rows - 1 - np.abs(rows - 1 - np.abs(places))
    elif mode == "replicate":
        places = np.clip(places, 0, rows - 1)
    return _inside(places[None], rows)


def read_by(taps: Taps, wanted: Bool[ndarray, " N"], rows: int) -> Bool[ndarray, " M"]:
    """Which of the ``rows`` input positions the wanted outputs read.

    >>> read_by(convolution_taps(5, 5, 3, 1, 2, 2), np.array([False, False, True, False, False]), 5)
    array([ True, False,  True, False,  True])
    """
    places = taps[:, wanted].ravel()
    read = np.zeros(rows, dtype=bool)
    read[places[places >= 0]] = True
    return read


def _inside(places: Taps, rows: int) -> Taps:
    return np.where((places >= 0) & (places < rows), places, -1)
