"""What the machine has room for, asked before it is taken."""

import os
from pathlib import Path

from intarsia.errors import ScarceMemoryError

_MACHINE, _CONTROL_GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_ALWAYS_THERE = 1 << 26  # bytes that are not worth a question


def require_memory(needed: int, what: str) -> None:
    """Refuse what cannot fit.

    Raises:
        ScarceMemoryError: `what` needs more bytes than are free.

    >>> require_memory(1 << 60, "A CRF of the Earth")
    Traceback (most recent call last):
    intarsia.errors.ScarceMemoryError: A CRF of the Earth needs 1,152,921,504.6 GB of memory, and ... GB are free; ...
    """
    free = None if needed < _ALWAYS_THERE else free_memory()
    if free is not None and needed > free:
        raise ScarceMemoryError(
            f"{what} needs {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; make the image "
            "smaller, or go through it in parts that overlap."
        )


def free_memory() -> int | None:
    """Bytes that can still be taken without swapping; None where the system does not tell.

    >>> free_memory() > 0
    True
    """
    free = _of_machine()
    limit, used = (_number(_CONTROL_GROUP / name) for name in ("memory.max", "memory.current"))
    if limit is None or used is None:
        return free
    return limit - used if free is None else min(free, limit - used)


def _of_machine() -> int | None:
    try:
        lines = _MACHINE.read_text().splitlines()
        (available,) = [line for line in lines if line.startswith("MemAvailable:")]
        return int(available.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:  # systems without /proc tell the whole of it at best
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
