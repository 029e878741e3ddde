"""Pictures and masks read at arbitrary positions.

A position is in pixels of the whole picture, with the first pixel's centre at ½; beyond the edge its pixels go on. What
is given may be a window of the whole: `first` is its corner, `size` the whole's rows and columns, and the result does
not depend on where the window was cut, bit for bit, as long as it holds what is read. Nothing checks that it does.
"""

import math

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from intarsia.kernels.compiled import compiled


@compiled
def bilinear(
    picture: UInt8[np.ndarray, "h w C"],
    rows: Float[np.ndarray, "H W"],
    columns: Float[np.ndarray, "H W"],
    first: tuple[int, int],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "H W C"]:
    """Between the four nearest centres, rounded half up."""
    height, width = rows.shape
    channels = picture.shape[2]
    result = np.empty((height, width, channels), np.uint8)
    for i in range(height):
        for j in range(width):
            row, column = rows[i, j] - 0.5, columns[i, j] - 0.5
            top, left = math.floor(row), math.floor(column)
            down, right = np.float32(row - top), np.float32(column - left)
            above = min(max(top, 0), size[0] - 1) - first[0]
            below = min(max(top + 1, 0), size[0] - 1) - first[0]
            before = min(max(left, 0), size[1] - 1) - first[1]
            after = min(max(left + 1, 0), size[1] - 1) - first[1]
            one = np.float32(1)
            a, b = (one - down) * (one - right), (one - down) * right
            c, d = down * (one - right), down * right
            for k in range(channels):
                value = a * picture[above, before, k] + b * picture[above, after, k]
                value += c * picture[below, before, k] + d * picture[below, after, k]
                result[i, j, k] = np.uint8(value + np.float32(0.5))
    return result


@compiled
def nearest(
    mask: Shaped[np.ndarray, "h w"],
    rows: Float[np.ndarray, "H W"],
    columns: Float[np.ndarray, "H W"],
    first: tuple[int, int],
    size: tuple[int, int],
) -> Shaped[np.ndarray, "H W"]:
    """The pixel that holds the position."""
    height, width = rows.shape
    result = np.empty((height, width), mask.dtype)
    for i in range(height):
        for j in range(width):
            row = min(max(math.floor(rows[i, j]), 0), size[0] - 1)
            column = min(max(math.floor(columns[i, j]), 0), size[1] - 1)
            result[i, j] = mask[row - first[0], column - first[1]]
    return result
