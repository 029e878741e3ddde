"""From coarse maps to fine ones: deconvolution as bilinear interpolation, and the ways that leave no checkerboard.

A transposed convolution whose kernel is no multiple of its stride lets some outputs gather more taps than others, which
shows as a checkerboard (Odena et al., Distill 2016, doi:10.23915/distill.00003). Resizing first, or shuffling
channels into pixels, has no such pattern in its structure.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import ArgumentError
from intarsia.layers.hybrid_dilation import checked_rates


class BilinearDeconvolution(nn.ConvTranspose2d):
    """A transposed convolution that starts as bilinear interpolation, each channel for itself.

    FCN, arXiv:1411.4038, section 3.3; the kernel 2s − s mod 2 and padding ⌈(s − 1) / 2⌉ for scale s are MXNet's
    ``UpSampling``. In the interior it equals interpolation with ``align_corners=False``; near the border zeros
    enter, where interpolation repeats the edge. It has no bias, and is frozen unless ``learnable``. ``dense`` stores
    a (C, C, k, k) weight that is zero between different channels, as FCN's does; ``padding=0`` keeps the rim
    that FCN crops.

    Raises:
        ArgumentError: ``scale`` is below 2.

    >>> BilinearDeconvolution(3, scale=8)(torch.randn(1, 3, 5, 7)).shape
    torch.Size([1, 3, 40, 56])
    """

    def __init__(
        self, channels: int, scale: int, *, learnable: bool = False, dense: bool = False, padding: int | None = None
    ) -> None:
        checked_scale(scale)
        super().__init__(
            channels,
            channels,
            kernel_size=2 * scale - scale % 2,
            stride=scale,
            padding=math.ceil((scale - 1) / 2) if padding is None else padding,
            groups=1 if dense else channels,
            bias=False,
        )
        self.weight.requires_grad_(learnable)

    def reset_parameters(self) -> None:
        """Bilinear weights at [c, c], and zero elsewhere."""
        filled = bilinear_filter(self.kernel_size[0]).to(self.weight)
        with torch.no_grad():
            if self.groups > 1:
                self.weight.copy_(filled.expand_as(self.weight))
                return
            self.weight.zero_()
            each = torch.arange(self.in_channels, device=self.weight.device)
            self.weight[each, each] = filled


def bilinear_filter(kernel: int) -> Float[Tensor, "k k"]:
    """The product of two triangles that reach zero just outside a kernel of this size, float64.

    >>> bilinear_filter(4)[0] / bilinear_filter(4)[0, 0]
    tensor([1., 3., 3., 1.], dtype=torch.float64)
    """
    half = (kernel + 1) // 2
    centre = half - 1 if kernel % 2 else half - 0.5
    triangle = 1 - (torch.arange(kernel, dtype=torch.float64) - centre).abs() / half
    return torch.outer(triangle, triangle)


class ResizeConvolution(nn.Module):
    """Resize by ``scale``, then a 3×3 convolution of stride 1 with mirrored borders: no checkerboard.

    Odena et al., Distill 2016, section "Better Upsampling".

    Raises:
        ArgumentError: ``scale`` is below 2.

    >>> ResizeConvolution(8, 4, scale=2)(torch.randn(1, 8, 5, 7)).shape
    torch.Size([1, 4, 10, 14])
    """

    def __init__(
        self, in_channels: int, channels: int, scale: int, mode: Literal["nearest", "bilinear"] = "nearest"
    ) -> None:
        super().__init__()
        self.scale, self.mode = checked_scale(scale), mode
        self.convolution = nn.Conv2d(in_channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """The finer map."""
        return self.convolution(F.interpolate(x, scale_factor=self.scale, mode=self.mode))


class SubPixel(nn.Module):
    """A 3×3 convolution to s² maps a channel, whose pixels are shuffled into one map s times as fine.

    Shi et al., arXiv:1609.05158, section 2.2. The s² maps start alike (ICNR, Aitken et al., arXiv:1707.02937,
    section 4), so the block starts as a convolution and nearest-neighbour upsampling: smooth from the first step.

    Raises:
        ArgumentError: ``scale`` is below 2.

    >>> SubPixel(8, 4, scale=2)(torch.randn(1, 8, 5, 7)).shape
    torch.Size([1, 4, 10, 14])
    """

    def __init__(self, in_channels: int, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = checked_scale(scale)
        self.convolution = nn.Conv2d(in_channels, channels * scale**2, 3, padding=1)
        one = nn.Conv2d(in_channels, channels, 3)
        with torch.no_grad():
            for alike, single in zip(self.convolution.parameters(), one.parameters(), strict=True):
                alike.copy_(single.repeat_interleave(scale**2, dim=0))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H2 W2"]:
        """The finer map."""
        return F.pixel_shuffle(self.convolution(x), self.scale)


class DenseUpsamplingConvolution(nn.Module):
    """DUC: the scores of all scale² pixels of a cell at once, summed over 3×3 convolutions at several rates, shuffled.

    Wang et al., arXiv:1702.08502, section 3.1; the four rates are those of the authors' code, whose order of channels
    differs: there a cell's pixels come before its classes. ``scale`` is the output stride.

    Raises:
        ArgumentError: ``scale`` is below 2, or ``rates`` are none or below 1.

    >>> DenseUpsamplingConvolution(16, classes=3, scale=8)(torch.randn(1, 16, 5, 7)).shape
    torch.Size([1, 3, 40, 56])
    """

    def __init__(self, in_channels: int, classes: int, scale: int, rates: Sequence[int] = (6, 12, 18, 24)) -> None:
        super().__init__()
        self.scale = checked_scale(scale)
        self.branches = nn.ModuleList(
            nn.Conv2d(in_channels, classes * scale**2, 3, padding=rate, dilation=rate) for rate in checked_rates(rates)
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H2 W2"]:
        """Logits at the image's size."""
        return F.pixel_shuffle(torch.stack([branch(x) for branch in self.branches]).sum(0), self.scale)


def checked_scale(scale: int) -> int:
    """The factor of an upsampling, which must be at least 2."""
    if scale < 2:
        raise ArgumentError(f"`scale` (={scale}) must be at least 2; leave the block out where nothing is to grow.")
    return scale
