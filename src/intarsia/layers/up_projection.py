"""Up-projection: a residual block that doubles a map, and may join a finer one on its way."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.convolutions import convolution


class UpConvolution(nn.Module):
    """Each sample of a map becomes the upper left of four, the others zero, and a convolution without bias fills them.

    Laina et al., arXiv:1606.00373, section 3.1. Computed as the transposed convolution that it is (the published code
    writes the zeros, and multiplies by them three times out of four); its weight is a convolution's, with inputs and
    outputs exchanged and rows and columns reversed (:func:`transposed_weight`).

    >>> UpConvolution(8, 4, kernel=5)(torch.randn(1, 8, 5, 7), (10, 13)).shape
    torch.Size([1, 4, 10, 13])
    """

    def __init__(self, in_channels: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.transposed = nn.ConvTranspose2d(
            in_channels, channels, kernel, 2, kernel // 2, output_padding=1, bias=False
        )

    def forward(self, x: Float[Tensor, "B C h w"], size: tuple[int, int] | torch.Size) -> Float[Tensor, "B D H W"]:
        """The first ``size`` rows and columns of the doubled map, with zeros where it has not so many."""
        doubled = self.transposed(x)
        below, right = size[0] - doubled.shape[-2], size[1] - doubled.shape[-1]
        return F.pad(doubled, (0, right, 0, below)) if below or right else doubled


def transposed_weight(weight: Float[Tensor, "D C k k"]) -> Float[Tensor, "C D k k"]:
    """A convolution's weight behind zeros as that of :class:`UpConvolution`, and back.

    >>> weight = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> transposed_weight(weight).flatten().tolist()
    [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    """
    return weight.transpose(0, 1).flip(2, 3)


class UpProjection(nn.Module):
    """A map at twice its size: ReLU(a 5×5 up-convolution, refined + another, by itself).

    Laina et al., arXiv:1606.00373, section 3.1 and figure 2. With ``beside`` channels, a finer map is concatenated
    between the up-convolution and its refinement, and a 3×3 convolution brings both to ``channels``: CSPN,
    arXiv:1808.00150, as published in code.

    >>> UpProjection(16, 8, beside=4)(torch.randn(1, 16, 5, 7), (9, 14), torch.randn(1, 4, 9, 14)).shape
    torch.Size([1, 8, 9, 14])
    """

    def __init__(self, in_channels: int, channels: int, beside: int = 0) -> None:
        super().__init__()
        self.up = UpConvolution(in_channels, channels, kernel=5)
        self.norm = nn.BatchNorm2d(channels)
        self.join = convolution(channels + beside, channels) if beside else None
        self.refine = convolution(channels, channels)[:2]  # without its ReLU, which follows the sum
        self.shortcut = UpConvolution(in_channels, channels, kernel=5)
        self.shortcut_norm = nn.BatchNorm2d(channels)

    def forward(
        self,
        x: Float[Tensor, "B C h w"],
        size: tuple[int, int] | torch.Size,
        finer: Float[Tensor, "B E H W"] | None = None,
    ) -> Float[Tensor, "B D H W"]:
        """The map at ``size``, about twice its own, joined with the ``finer`` one."""
        out = F.relu(self.norm(self.up(x, size)))
        if self.join is not None and finer is not None:
            out = self.join(torch.cat([out, finer], dim=1))
        return F.relu(self.refine(out) + self.shortcut_norm(self.shortcut(x, size)))
