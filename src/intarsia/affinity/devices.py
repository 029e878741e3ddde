"""Where compiled kernels are: on the CPU (Numba), and on GPUs if Triton is installed."""

from functools import cache
from importlib.util import find_spec

from torch import Tensor


def has_kernels(tensor: Tensor) -> bool:
    """Whether an operator's kernels can compute with a tensor; where they cannot, plain PyTorch does."""
    kind = tensor.device.type
    return kind == "cpu" or (kind == "cuda" and _has_triton())


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
