"""What operators on affinities refuse, each in one sentence."""

import torch
from torch import Tensor

from intarsia.errors import ArgumentError


def check_floating(**tensors: Tensor) -> None:
    """Refuse tensors of whole numbers."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ArgumentError(
                f"`{name}` holds {tensor.dtype} and must hold floating point numbers; `{name}.float()` does."
            )


def check_one_device(**tensors: Tensor) -> None:
    """Refuse tensors on different devices."""
    (name, first), *others = tensors.items()
    for other, tensor in others:
        if tensor.device != first.device:
            raise ArgumentError(
                f"`{other}` is on {tensor.device} and `{name}` on {first.device}, and they must be on the same; "
                f"`{other}.to({name}.device)` moves it."
            )


def check_one_grid(**maps: Tensor) -> None:
    """Refuse maps of different batches, heights or widths: two tensors whose last two axes are rows and columns."""
    (name, first), (other, second) = maps.items()
    if first.shape[0] != second.shape[0] or first.shape[-2:] != second.shape[-2:]:
        raise ArgumentError(
            f"`{name}` {tuple(first.shape)} and `{other}` {tuple(second.shape)} must agree in batch, height and width; "
            "resize one of them."
        )


def check_finite(result: Tensor, **tensors: Tensor) -> None:
    """Refuse the tensors that make a result infinite or NaN; without such a result they are not looked at."""
    if bool(result.isfinite().all()):
        return
    for name, tensor in tensors.items():
        wrong = (~tensor.isfinite()).nonzero()
        if len(wrong):
            place = wrong[0].tolist()
            raise ArgumentError(
                f"`{name}` must be finite, but {len(wrong)} of its {tensor.numel()} numbers are not, the first at "
                f"{place} (={float(tensor[tuple(place)])}); lower the learning rate, or clip what computes it."
            )


def exact_dtype(*tensors: Tensor) -> torch.dtype:
    """In which a recurrence is computed: float64 if a tensor is, otherwise float32, also for half precision."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
