"""How every kernel of the package is compiled."""

import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on the first call, without Python's checks in the loop, and release the interpreter's lock meanwhile.

    Machine code is kept beside the source, or in the user's cache folder where that cannot be written; where neither
    can, each process compiles anew. Numba's parallel layer is not used: it does not survive a fork, and loaders fork.

    >>> @compiled
    ... def total(values):
    ...     result = 0
    ...     for i in range(values.size):
    ...         result += values[i]
    ...     return result
    >>> import numpy as np
    >>> total(np.arange(5))
    10
    """
    plain = inspect.unwrap(function)  # tests wrap every function in a check of its shapes, which is no machine code
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(plain)
    except RuntimeError:  # "cannot cache function: no locator available"
        return numba.njit(nogil=True, error_model="numpy")(plain)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A step of a kernel, compiled into each kernel that takes it: calling it would cost more than it does.

    >>> @inlined
    ... def half(value):
    ...     return value >> 1
    >>> half(6)
    3
    """
    return numba.njit(nogil=True, error_model="numpy", forceinline=True)(inspect.unwrap(function))
