"""On which device, in which precision and memory layout a network runs."""

import contextlib
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from intarsia.kernels.normalising import looked_up

Precision = Literal["float32", "bfloat16"]
MemoryFormat = Literal["contiguous", "channels_last"]

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Execution:
    """How to run a network; weights stay float32, ``bfloat16`` is autocast."""

    device: str = "cpu"
    precision: Precision = "float32"
    memory_format: MemoryFormat = "contiguous"

    def place(self, net: Net) -> Net:
        """Move the network to the device and its convolutions to the layout."""
        return net.to(torch.device(self.device)).to(memory_format=_layout(self.memory_format))  # pyright: ignore[reportCallIssue]

    def place_images(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Move images likewise."""
        return images.contiguous(memory_format=_layout(self.memory_format))

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The precision as a context."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def _layout(memory_format: MemoryFormat) -> torch.memory_format:
    return torch.channels_last if memory_format == "channels_last" else torch.contiguous_format


@dataclass(frozen=True)
class Preprocessing:
    """From pictures to what a network was trained on: (x / 255 − mean) / std, a value a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pictures: UInt8[Tensor, "B H W C"]) -> Float[Tensor, "B C H W"]:
        """Normalise a batch, channels first."""
        mean, std = (torch.tensor(values, device=pictures.device)[:, None] * 255 for values in (self.mean, self.std))
        if pictures.device.type == "cpu":  # a byte has 256 values only: half the time of arithmetic, and the same bits
            tables = (torch.arange(256) - mean) / std
            return torch.from_numpy(looked_up(pictures.numpy(), tables.numpy()))
        images = pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        return images.sub_(mean[:, None]).div_(std[:, None])


def best_device() -> str:
    """The first CUDA device, or the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"
