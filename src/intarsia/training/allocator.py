"""Keeping freed memory: every step of training asks for the same large blocks again."""

import ctypes
import gc
import sys

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of the GNU C library


def keep_freed_memory() -> bool:
    """Tell the GNU allocator not to hand large blocks back to the system after each use.

    By default every large tensor is mapped anew and its pages are zeroed at first touch, again and again; without that
    a training step on a CPU takes 0.6 to 0.85 of the time (``benchmarks/training.py``). The price is that the process
    stays as large as it once was. Returns whether it took effect; other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def release_freed_memory() -> None:
    """Hand back what was freed, to the system and to the device, when memory has run out after all."""
    gc.collect()
    torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)
