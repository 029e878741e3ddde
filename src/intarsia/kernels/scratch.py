"""Memory that kernels work in, which a thread keeps from call to call.

New memory comes page by page from the system, each page is cleared, and none of it is in a cache: for a kernel of a
millisecond that is as much again.
"""

import threading
from itertools import accumulate

import numpy as np
from jaxtyping import Float

from intarsia.kernels.vectors.vector_type import LINE

_KEPT = 1 << 22  # bytes that a thread keeps at most


class _Held(threading.local):
    def __init__(self) -> None:
        self.room = np.empty(0, np.uint8)


_held = _Held()


def scratch(size: int, dtype: type | np.dtype = np.float32) -> Float[np.ndarray, " size"]:
    """So many numbers, of any value, from the beginning of a cache line on.

    They are the caller's until the same thread asks again.

    >>> scratch(5).shape, scratch(5).ctypes.data % 64
    ((5,), 0)
    """
    needed = size * np.dtype(dtype).itemsize + LINE
    room = _held.room if needed <= len(_held.room) else np.empty(needed, np.uint8)
    if len(_held.room) < needed <= _KEPT:
        _held.room = room
    start = -room.ctypes.data % LINE
    return room[start : start + needed - LINE].view(dtype)


def rooms(dtype: type | np.dtype, *sizes: int) -> list[Float[np.ndarray, " size"]]:
    """Several at once, each from the beginning of a cache line on.

    >>> [room.shape for room in rooms(np.float32, 5, 100)]
    [(5,), (100,)]
    """
    edges = list(accumulate((-(-size // LINE) * LINE for size in sizes), initial=0))
    room = scratch(edges[-1], dtype)
    return [room[edge : edge + size] for edge, size in zip(edges, sizes, strict=False)]
