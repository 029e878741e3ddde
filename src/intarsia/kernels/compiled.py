"""How every kernel of the package is compiled."""

import hashlib
import inspect
import logging
import multiprocessing
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event

_KERNELS = re.compile(rb"intarsia\.kernels\.([\w.]+)")
_njit: Callable[..., Any] = numba.njit  # its stub does not know all of its options


class Announcement(event.Listener):
    """Says once a process, by the logger ``intarsia``, that machine code is being made: that may take a while."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: event.Event) -> None:
        """Of a compilation; what was kept from earlier ones comes without."""
        assert event.data is not None
        ours = event.data["dispatcher"].py_func.__module__.startswith("intarsia.")
        if ours and not self.said and multiprocessing.parent_process() is None:
            self.said = True
            logging.getLogger("intarsia").info(
                "Compiling kernels for this machine, which is done once and can take half a minute."
            )

    def on_end(self, event: event.Event) -> None:
        """Nothing is to be said."""


announcement = Announcement()
event.register("numba:compile", announcement)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on the first call, without Python's checks in the loop, and release the interpreter's lock meanwhile.

    Machine code is kept in ``NUMBA_CACHE_DIR`` if that is set, otherwise in ``__pycache__`` beside the source, and if
    that cannot be written in the user's cache folder, ``~/.cache/numba`` on Linux. Where nothing can be written each
    process compiles anew. Numba's parallel layer is not used: it does not survive a fork, and loaders fork.

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
    return _cached(function)


def in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel that changes the arrays it is given and makes none.

    It does not count references, which would cost more than the work where arrays come in a named tuple.

    >>> @in_place
    ... def double(values):
    ...     for i in range(values.size):
    ...         values[i] *= 2
    >>> import numpy as np
    >>> values = np.arange(3)
    >>> double(values)
    >>> values
    array([0, 2, 4])
    """
    return _cached(function, _nrt=False)


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a step of ``in_place`` kernels into each of them: to call it would cost more than it does.

    >>> @step
    ... def half(value):
    ...     return value >> 1
    >>> half(6)
    3
    """
    return _njit(nogil=True, error_model="numpy", _nrt=False, forceinline=True)(inspect.unwrap(function))


def _cached(function: Callable[..., Any], **options: bool) -> Callable[..., Any]:
    plain = inspect.unwrap(function)  # tests wrap every function in a check of its shapes, which is no machine code
    try:
        plain.__qualname__ += f"_{_fingerprint(Path(plain.__code__.co_filename))}"
        return _njit(nogil=True, error_model="numpy", cache=True, **options)(plain)
    except (OSError, RuntimeError):  # no source file, or "cannot cache function: no locator available"
        return _njit(nogil=True, error_model="numpy", **options)(plain)


@cache
def _fingerprint(source: Path) -> str:
    """Of a file of kernels and of all files that it takes kernels from.

    Numba names machine code by the function, and looks only at the time and size of the function's own file to see
    whether it is out of date. What was compiled into it may come from other files.
    """
    text = source.read_bytes()
    digest = hashlib.sha256(text)
    for name in sorted(set(_KERNELS.findall(text))):
        place = Path(__file__).parent / name.decode().replace(".", "/")
        for file in sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            digest.update(_fingerprint(file).encode())
    return digest.hexdigest()[:12]
