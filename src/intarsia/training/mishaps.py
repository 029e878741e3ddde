"""What the machine may refuse in the middle of a training: memory, disk, a process; each becomes one sentence."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from intarsia.errors import RunError
from intarsia.runs import Run
from intarsia.training.processes import process_count

_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory"
    r"|_STATUS_ALLOC_FAILED"  # cuDNN and cuBLAS
    r"|could not create a (primitive|memory object)\s*$"  # oneDNN; what it does not support is a "primitive descriptor"
)
_LOST = re.compile(r"Connection (closed|reset) by peer|Broken pipe|gloo|NCCL|ncclRemoteError")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up", errno.EFBIG: "files may not grow"}


class StepOutOfMemory(MemoryError):
    """A step found too little memory and was undone: weights, statistics and random states are those before it."""


class LoaderDied(RuntimeError):
    """A loading process was killed; the state of the training is that after the last step."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether it is memory that was missing, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None


@contextmanager
def told(run: Run) -> Iterator[None]:
    """Say in one sentence what the machine refused and what is kept; every other error passes as it is."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError, SafetensorError) as error:
        sentence = _sentence(error, run)
        if sentence is None:
            raise
        kept = f" `{run.folder}` keeps the last saved state for --resume." if run.checkpoint_path.exists() else ""
        raise RunError(sentence + kept) from error


def _sentence(error: Exception, run: Run) -> str | None:
    if isinstance(error, StepOutOfMemory):
        return str(error)
    if ran_out_of_memory(error):
        return "Memory ran out; take smaller images, a smaller --batch-size or --crop-size, or fewer --workers."
    if isinstance(error, OSError | SafetensorError):
        reason = _why_not_written(error)
        return reason and f"`{run.folder}` cannot be written: {reason}; make room."
    if process_count() > 1 and isinstance(error, RuntimeError) and _LOST.search(str(error)):
        return f"Another of the {process_count()} processes was killed, so that this one ends, too."
    if isinstance(error, LoaderDied):
        return f"{error}; go on with fewer --workers, or with 0 to load in this process."
    return None


def _why_not_written(error: Exception) -> str | None:
    if isinstance(error, OSError):
        return _FULL.get(error.errno or 0)
    for number, reason in _FULL.items():  # safetensors tells the number in its text only
        if f"(os error {number})" in str(error):
            return reason
    return None
