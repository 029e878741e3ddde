"""Atrous spatial pyramid pooling."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.convolutions import convolution, pooled_projection, separable_convolution

Block = Callable[[int, int, int, int], nn.Module]


class ASPP(nn.Module):
    """Parallel views of one map: 1×1, 3×3 at each rate, and the mean of the whole image; then a 1×1 projection.

    DeepLab v3, arXiv:1706.05587, section 3.3. ``block`` makes a 3×3 convolution from (in, out, kernel, dilation):
    separable as in DeepLab v3+, arXiv:1802.02611, section 3.1, or :func:`~intarsia.layers.convolutions.convolution`.
    The mean of the image is one value a channel, so its resizing to the map is a repetition.

    >>> ASPP(16, 8, rates=(6, 12, 18))(torch.randn(2, 16, 9, 9)).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        rates: tuple[int, ...],
        *,
        block: Block = separable_convolution,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [convolution(in_channels, channels, 1), *(block(in_channels, channels, 3, rate) for rate in rates)]
        )
        self.image_pooling = pooled_projection(in_channels, channels)
        self.project = convolution((len(rates) + 2) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """All branches, concatenated and projected."""
        pooled = self.image_pooling(x.mean((-2, -1), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        views = torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1)
        return self.dropout(self.project(views))
