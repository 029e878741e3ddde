"""Pictures resized along both axes: each pixel of the result is a weighted mean of neighbours."""

import numpy as np
from jaxtyping import UInt8, UInt32

from intarsia.kernels.compiled import compiled

BITS = 22  # of a weight's fraction: 255 × 2^22 still fits into 32 bits

# Unsigned throughout: a signed index costs a test for being negative.
_SHIFT, _HALF = np.uint32(BITS), np.uint32(1 << (BITS - 1))


@compiled
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
    top, places = first_row.min(), np.empty(width * channels, np.uint32)
    weights = np.empty((column_weights.shape[1], len(places)), np.uint32)
    for j in range(len(places)):
        places[j] = first_column[j // channels] * channels + j % channels
        for t in range(len(weights)):
            weights[t, j] = column_weights[j // channels, t]
    sums, collected = np.empty(len(places), np.uint32), np.empty(len(places), np.uint8)
    wide = np.empty((first_row.max() + row_weights.shape[1] - top, len(places)), np.uint8)
    for i in range(len(wide)):
        _across(picture[top + i].reshape(-1), np.uint32(channels), places, weights, collected, sums, wide[i])
    result = np.empty((height, len(places)), np.uint8)
    for i in range(height):
        first = first_row[i] - top
        _down(wide[first : first + row_weights.shape[1]], row_weights[i], sums, result[i])
    return result.reshape(height, width, channels)


@compiled
def _across(
    row: UInt8[np.ndarray, "_"],
    channels: int,
    places: UInt32[np.ndarray, "m"],
    weights: UInt32[np.ndarray, "n m"],
    collected: UInt8[np.ndarray, "m"],
    sums: UInt32[np.ndarray, "m"],
    result: UInt8[np.ndarray, "m"],
) -> None:
    """Pixels are collected first, for only then can the sums be taken by vector instructions."""
    sums[:] = _HALF
    for t in range(len(weights)):
        weight, shift = weights[t], np.uint32(t) * channels
        for j in range(len(places)):
            collected[j] = row[places[j] + shift]
        for j in range(len(places)):
            sums[j] += weight[j] * collected[j]
    for j in range(len(places)):
        result[j] = sums[j] >> _SHIFT


@compiled
def _down(
    rows: UInt8[np.ndarray, "n m"],
    weights: UInt32[np.ndarray, "n"],
    sums: UInt32[np.ndarray, "m"],
    result: UInt8[np.ndarray, "m"],
) -> None:
    sums[:] = _HALF
    for t in range(len(weights)):
        weight, row = weights[t], rows[t]
        for j in range(len(result)):
            sums[j] += weight * row[j]
    for j in range(len(result)):
        result[j] = sums[j] >> _SHIFT
