"""Convolution and pooling with dilation, and padding that may differ from side to side.

These layers carry out what :func:`intarsia.backbones.output_stride.plan` decides. Each computes, on a grid ``dilation``
times denser, what its strided original computes: à trous, "with holes" (DeepLab v2, arXiv:1606.00915, section 3.1).
"""

import math
from collections.abc import Iterator

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.padding import Sides

Pair = tuple[int, int]


class DilatedConv2d(nn.Conv2d):
    """A convolution whose four sides are padded with zeros on their own terms.

    Parameters and their names are those of ``nn.Conv2d``, so that weights pass from one to the other.

    >>> import torch
    >>> conv = DilatedConv2d(1, 1, (2, 2), dilation=(2, 2), sides=Sides(0, 2, 0, 2))
    >>> conv(torch.zeros(1, 1, 5, 6)).shape
    torch.Size([1, 1, 5, 6])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        sides: Sides,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        own = (sides.top, sides.left) if sides.symmetric else (0, 0)
        super().__init__(in_channels, out_channels, kernel_size, stride, own, dilation, groups, bias)
        self.sides = sides

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """Pad, then convolve."""
        padded = input if self.sides.symmetric else F.pad(input, self.sides)
        return self._conv_forward(padded, self.weight, self.bias)

    def extra_repr(self) -> str:  # noqa: D102
        return f"{super().extra_repr()}, sides={tuple(self.sides)}"


class DilatedMaxPool2d(nn.Module):
    """The maximum over ``kernel_size`` taps, ``dilation`` apart; what lies outside the map never wins."""

    def __init__(self, kernel_size: Pair, *, stride: Pair = (1, 1), dilation: Pair = (1, 1), sides: Sides) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation, self.sides = kernel_size, stride, dilation, sides

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Pad with −∞, then pool."""
        padded = F.pad(x, self.sides, value=-math.inf)
        return F.max_pool2d(padded, self.kernel_size, self.stride, dilation=self.dilation)


class DilatedAvgPool2d(nn.Module):
    """The mean over ``kernel_size`` taps, ``dilation`` apart.

    ``counted`` pixels of padding on each side enter the mean as zeros (``count_include_pad`` of ``nn.AvgPool2d``);
    any further padding is left out of sum and divisor.
    """

    def __init__(
        self,
        kernel_size: Pair,
        *,
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        sides: Sides,
        counted: Sides = Sides(0, 0, 0, 0),  # noqa: B008  (immutable)
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.sides, self.counted = sides, counted

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Sum the taps that count and divide by their number."""
        inside = F.pad(x.new_ones(1, 1, *x.shape[-2:]), self.counted, value=1.0)
        rest = Sides(*(all_ - counted for all_, counted in zip(self.sides, self.counted, strict=True)))
        total = sum(self._taps(F.pad(x, self.sides)))
        return total / sum(self._taps(F.pad(inside, rest)))  # pyright: ignore[reportReturnType]  (never an empty sum)

    def _taps(self, padded: Tensor) -> Iterator[Tensor]:
        (kh, kw), (sh, sw), (dh, dw) = self.kernel_size, self.stride, self.dilation
        span_h, span_w = padded.shape[-2] - dh * (kh - 1), padded.shape[-1] - dw * (kw - 1)
        for i in range(kh):
            for j in range(kw):
                yield padded[..., i * dh : i * dh + span_h : sh, j * dw : j * dw + span_w : sw]
