"""Counting pairs of class indices, about a nanosecond a pixel, without an array of the image's size.

Two loops share the work. Contiguous masks of bytes are read eight pixels at a time: a pair of bytes is itself an index
into a table of 65,536 counts, so that nothing has to be tested per pixel, and eight equal pairs, the usual case within
a segment, are one addition. All other masks (16 bits, views with strides) are compared with the number of classes
pixel by pixel.

Neighbours take turns between two tables: an addition to the count that was just written would wait for that write.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt32, UInt64
from numpy.typing import NDArray

from intarsia.kernels.compiled import compiled
from intarsia.shapes import Mask

_BLOCK_PIXELS = 1 << 31  # counts within a block are uint32
_TABLES = 2
_BYTE = np.uint64(255)
_EIGHT = np.uint64(8)
_FIFTY_SIX = np.uint64(56)
_ONE = np.uint32(1)
_A_WORD = np.uint32(8)


class Stray(NamedTuple):
    """A counted pixel that holds no class: in which mask, and its value."""

    side: str
    value: int


def count_pairs(
    truth: Mask, prediction: Mask, classes: int, ignore: int
) -> tuple[Int64[np.ndarray, "K K"], Stray | None]:
    """The number of pixels of each pair (true class, predicted class), where neither mask holds ``ignore``.

    Masks have one shape, any strides, and are uint8 or uint16. If a counted pixel holds a value of K or more the
    matrix is worthless, and one such value comes with it, of the truth if it has any.
    """
    matrix = np.zeros((classes, classes), np.int64)
    bytes_only = truth.dtype == prediction.dtype == np.uint8 and classes <= 256
    as_words = bytes_only and truth.flags.c_contiguous and prediction.flags.c_contiguous
    count = _count_words if as_words else _count_pixels
    rows = max(1, _BLOCK_PIXELS // max(1, truth.shape[1]))
    for top in range(0, truth.shape[0], rows):
        counts, stray = count(truth[top : top + rows], prediction[top : top + rows], classes, ignore)
        if stray is not None:
            return matrix, stray
        matrix += counts
    return matrix, None


def _count_words(
    truth: Mask, prediction: Mask, classes: int, ignore: int
) -> tuple[Int64[np.ndarray, "K K"], Stray | None]:
    flat_truth, flat_prediction = truth.reshape(-1), prediction.reshape(-1)
    whole = flat_truth.size // 8 * 8
    tables = np.zeros((_TABLES, 1 << 16), np.uint32)
    _add_words(flat_truth[:whole].view(np.uint64), flat_prediction[:whole].view(np.uint64), tables)
    _add_bytes(flat_truth[whole:], flat_prediction[whole:], tables)
    counts = tables.sum(axis=0, dtype=np.int64).reshape(256, 256)
    if 0 <= ignore <= 255:
        counts[ignore] = counts[:, ignore] = 0
    return counts[:classes, :classes], _stray_of(counts, classes)


def _stray_of(counts: Int64[np.ndarray, "256 256"], classes: int) -> Stray | None:
    for side, strays in (("truth", counts[classes:].any(axis=1)), ("prediction", counts[:, classes:].any(axis=0))):
        if strays.any():
            return Stray(side, classes + int(strays.argmax()))
    return None


def _count_pixels(
    truth: Mask, prediction: Mask, classes: int, ignore: int
) -> tuple[Int64[np.ndarray, "K K"], Stray | None]:
    tables = np.zeros((_TABLES, classes * classes), np.uint32)
    stray = int(_add_pixels(truth, prediction, np.uint64(classes), ignore, tables))
    counts = tables.sum(axis=0, dtype=np.int64).reshape(classes, classes)
    if stray < 0:
        return counts, None
    row, column = divmod(stray, truth.shape[1])
    value = int(truth[row, column])
    return counts, Stray("truth", value) if value >= classes else Stray("prediction", int(prediction[row, column]))


@compiled
def _add_words(
    truth: UInt64[np.ndarray, " N"], prediction: UInt64[np.ndarray, " N"], tables: NDArray[np.uint32]
) -> None:
    """Eight pixels a word; a word that stays itself when turned by a byte holds one value eight times."""
    for i in range(truth.size):
        a, b = truth[i], prediction[i]
        if a == (a >> _EIGHT | a << _FIFTY_SIX) and b == (b >> _EIGHT | b << _FIFTY_SIX):
            tables[0, (a & _BYTE) << _EIGHT | (b & _BYTE)] += _A_WORD
        else:
            for place in range(8):
                shift = np.uint64(8 * place)
                tables[place & 1, ((a >> shift) & _BYTE) << _EIGHT | ((b >> shift) & _BYTE)] += _ONE


@compiled
def _add_bytes(truth: Mask, prediction: Mask, tables: UInt32[np.ndarray, "2 65536"]) -> None:
    """The few pixels that fill no word."""
    for i in range(truth.size):
        tables[0, np.uint64(truth[i]) << _EIGHT | np.uint64(prediction[i])] += _ONE


@compiled
def _add_pixels(
    truth: Mask, prediction: Mask, classes: np.uint64, ignore: int, tables: UInt32[np.ndarray, "2 KK"]
) -> int:
    """Returns the position (row · W + column) of the first counted pixel that holds no class, or -1."""
    for row in range(truth.shape[0]):
        for column in range(truth.shape[1]):
            a, b = np.uint64(truth[row, column]), np.uint64(prediction[row, column])
            if a < classes and b < classes:
                tables[column & 1, a * classes + b] += _ONE
            elif a != ignore and b != ignore:
                return row * truth.shape[1] + column
    return -1
