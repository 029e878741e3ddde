"""Pictures resized along both axes: each pixel of the result is a weighted mean of neighbours."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import UInt8, UInt32

BITS = 22  # of a weight's fraction: 255 × 2^22 still fits into 32 bits

# Unsigned throughout: a signed index costs a test for being negative.
_SHIFT, _HALF = np.uint32(BITS), np.uint32(1 << (BITS - 1))
_ONE, _TWO, _THREE = np.uint32(1), np.uint32(2), np.uint32(3)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def resample(
    picture: UInt8[np.ndarray, "H W C"],
    first_row: UInt32[np.ndarray, "h"],
    row_weights: UInt32[np.ndarray, "h m"],
    first_column: UInt32[np.ndarray, "w"],
    column_weights: UInt32[np.ndarray, "w n"],
) -> UInt8[np.ndarray, "h w C"]:
    """Along the columns, then along the rows, rounded in between: the arithmetic of Pillow, bit for bit.

    Pixel j of a row is the sum over t of ``column_weights[j, t] / 2^BITS`` times pixel ``first_column[j] + t``, and the
    rows likewise. The weights of a pixel sum to 1; nothing checks this, nor that the pixels lie within the picture.
    """
    height, width, channels = len(first_row), len(first_column), picture.shape[2]
    top = first_row.min()
    wide = np.empty((first_row.max() + row_weights.shape[1] - top, width * channels), np.uint8)
    for i in range(wide.shape[0]):
        row = picture[top + i].reshape(-1)
        if channels == 3:
            _across_rgb(row, first_column, column_weights, wide[i])
        else:
            _across(row, np.uint32(channels), first_column, column_weights, wide[i])
    result = np.empty((height, width * channels), np.uint8)
    sums = np.empty(width * channels, np.uint32)
    for i in range(height):
        sums[:] = _HALF
        for t in range(row_weights.shape[1]):
            weight, source = row_weights[i, t], wide[first_row[i] - top + t]
            for j in range(len(sums)):
                sums[j] += weight * source[j]
        for j in range(len(sums)):
            result[i, j] = sums[j] >> _SHIFT
    return result.reshape(height, width, channels)


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _across(
    row: UInt8[np.ndarray, "_"],
    channels: int,
    first: UInt32[np.ndarray, "w"],
    weights: UInt32[np.ndarray, "w n"],
    result: UInt8[np.ndarray, "_"],
) -> None:
    for j in range(len(first)):
        for k in range(channels):
            total, place = np.uint64(_HALF), channels * first[j] + np.uint32(k)
            for t in range(weights.shape[1]):
                total += weights[j, t] * row[place]
                place += channels
            result[channels * j + k] = total >> _SHIFT


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _across_rgb(
    row: UInt8[np.ndarray, "_"],
    first: UInt32[np.ndarray, "w"],
    weights: UInt32[np.ndarray, "w n"],
    result: UInt8[np.ndarray, "_"],
) -> None:
    """Half as long as `_across`, for the most frequent of all channel counts."""
    for j in range(len(first)):
        red = green = blue = np.uint64(_HALF)
        place = _THREE * first[j]
        for t in range(weights.shape[1]):
            weight = weights[j, t]
            red += weight * row[place]
            green += weight * row[place + _ONE]
            blue += weight * row[place + _TWO]
            place += _THREE
        result[3 * j] = red >> _SHIFT
        result[3 * j + 1] = green >> _SHIFT
        result[3 * j + 2] = blue >> _SHIFT
