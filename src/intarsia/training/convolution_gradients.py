"""Convolutions in bfloat16 on a CPU: the gradient of their weights as products of matrices, one for each tap."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16
from torch import Tensor, nn

from intarsia.inference.execution import Execution

FEWEST_CHANNELS = 128  # on either side; with fewer the library's own way is as fast
LARGEST_SHARE = 0.8  # of a large kernel's products that are not with zeros; with more the library's own way is as fast

Pair = tuple[int, int]
Maps = BFloat16[Tensor, "B C H W"]


def multiply_gradients(net: nn.Module, execution: Execution) -> None:
    """Let convolutions compute the gradients of their weights by products of matrices, where that is faster.

    With channels last, the gradient of one tap of a kernel is the product of two matrices: the gradients of those
    outputs for which the tap lies inside the map, and what it reads there. oneDNN takes 1.2 to 1.6 times as long for
    1×1 convolutions. With larger kernels it is as fast, but it also multiplies the zeros around the map: at rate 24 on
    a map of 32 × 32 three products of four are with zeros, and it takes six times as long.

    Outputs and all other gradients keep their bits. That of the weights is summed in float32 as before, in another
    order. Only on a CPU, in bfloat16 and channels last; elsewhere nothing changes. Names of weights stay.
    """
    if (execution.device, execution.precision, execution.memory_format) != ("cpu", "bfloat16", "channels_last"):
        return
    for layer in net.modules():
        if type(layer) is nn.Conv2d and _may_gain(layer):
            layer.forward = partial(_forward, layer, layer.forward)  # pyright: ignore[reportAttributeAccessIssue]


def _may_gain(layer: nn.Conv2d) -> bool:
    is_plain = layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return is_plain and min(layer.in_channels, layer.out_channels) >= FEWEST_CHANNELS


def _forward(layer: nn.Conv2d, as_it_was: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    learns = torch.is_grad_enabled() and layer.weight.requires_grad
    if not (learns and torch.is_autocast_enabled("cpu") and x.is_contiguous(memory_format=torch.channels_last)):
        return as_it_was(x)
    size = cast(Pair, layer.kernel_size)
    kernel = Kernel(size, cast(Pair, layer.stride), cast(Pair, layer.padding), cast(Pair, layer.dilation))
    if size != (1, 1) and kernel.share_inside(cast(Pair, x.shape[-2:])) > LARGEST_SHARE:
        return as_it_was(x)
    half = (None if part is None else part.to(torch.bfloat16) for part in (x, layer.weight, layer.bias))
    return cast(Tensor, _Convolution.apply(*half, kernel))


@dataclass(frozen=True)
class Kernel:
    """Where the taps of a convolution are, in rows and columns."""

    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    def taps(self, axis: int, inputs: int) -> Iterator[tuple[int, slice, slice]]:
        """Along one axis of that many inputs, each tap: the outputs for which it lies inside, and what it then reads.

        Tap t of output o reads position o · stride + t · dilation − padding. A tap that is never inside is left out.

        >>> list(Kernel((3, 3), (1, 1), (2, 2), (2, 2)).taps(0, 5))[0]
        (0, slice(2, 5, None), slice(0, 3, 1))
        """
        stride, padding, dilation = self.stride[axis], self.padding[axis], self.dilation[axis]
        outputs = self.outputs(axis, inputs)
        for tap in range(self.size[axis]):
            shift = tap * dilation - padding
            first, end = max(0, -(shift // stride)), min(outputs, (inputs - 1 - shift) // stride + 1)
            if first < end:
                yield tap, slice(first, end), slice(first * stride + shift, (end - 1) * stride + shift + 1, stride)

    def outputs(self, axis: int, inputs: int) -> int:
        """How many there are along an axis."""
        reach = self.dilation[axis] * (self.size[axis] - 1)
        return (inputs + 2 * self.padding[axis] - reach - 1) // self.stride[axis] + 1

    def share_inside(self, inputs: Pair) -> float:
        """Of all pairs of output and tap, those that read the map and not the zeros around it.

        >>> Kernel((3, 3), (1, 1), (24, 24), (24, 24)).share_inside((32, 32))
        0.25
        """
        share = 1.0
        for axis, count in enumerate(inputs):
            inside = sum(of.stop - of.start for _, of, _ in self.taps(axis, count))
            share *= inside / max(1, self.outputs(axis, count) * self.size[axis])  # too small a map: torch says so
        return share


def weight_gradient(x: Maps, gradient: BFloat16[Tensor, "B D h w"], kernel: Kernel) -> BFloat16[Tensor, "D C k l"]:
    """What the weights of a convolution get, from its inputs and the gradient of its outputs."""
    result = x.new_zeros(gradient.shape[1], *kernel.size, x.shape[1])
    for i, of_rows, rows in kernel.taps(0, x.shape[2]):
        for j, of_columns, columns in kernel.taps(1, x.shape[3]):
            result[:, i, j] = _matrix(gradient[..., of_rows, of_columns]).T @ _matrix(x[..., rows, columns])
    return result.permute(0, 3, 1, 2)


def _matrix(maps: Maps) -> BFloat16[Tensor, "N C"]:
    """Of all positions; a copy only where these are not all positions of maps in channels last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


class _Convolution(torch.autograd.Function):
    """(B, C, H, W), (D, C, k, l), (D) or ``None`` → (B, D, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kernel = kernel
        return F.conv2d(x, weight, bias, kernel.stride, kernel.padding, kernel.dilation)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        (x, weight), kernel = ctx.saved_tensors, ctx.kernel
        gradient = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        rest = [ctx.needs_input_grad[0], False, ctx.needs_input_grad[2]]
        of_x, _, of_bias = torch.ops.aten.convolution_backward(
            *(gradient, x, weight, weight.shape[:1] if rest[2] else None),
            *(kernel.stride, kernel.padding, kernel.dilation, False, (0, 0), 1, rest),
        )
        return of_x, weight_gradient(x, gradient, kernel), of_bias, None
