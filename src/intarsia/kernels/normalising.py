"""From pictures to what a network reads: each byte looked up in its channel's table, channels first, in one pass."""

import numpy as np
from jaxtyping import Float32, UInt8

from intarsia.kernels.compiled import compiled


def looked_up(
    pictures: UInt8[np.ndarray, "B H W C"], tables: Float32[np.ndarray, "C 256"]
) -> Float32[np.ndarray, "B C H W"]:
    """``tables[c, pictures[b, y, x, c]]`` at (b, c, y, x)."""
    batch, rows, columns, channels = pictures.shape
    result = np.empty((batch, channels, rows, columns), np.float32)
    _look_up(pictures, tables, result)
    return result


@compiled
def _look_up(
    pictures: UInt8[np.ndarray, "B H W C"], tables: Float32[np.ndarray, "C 256"], result: Float32[np.ndarray, "B C H W"]
) -> None:
    for b in range(pictures.shape[0]):
        for y in range(pictures.shape[1]):
            for c in range(pictures.shape[3]):
                read, table, written = pictures[b, y, :, c], tables[c], result[b, c, y]
                for x in range(read.size):
                    written[x] = table[read[x]]
