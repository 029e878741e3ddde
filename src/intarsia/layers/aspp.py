"""Atrous spatial pyramid pooling."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.convolutions import convolution, pooled_projection, separable_convolution


class ASPP(nn.Module):
    """Parallel views of one map: 1×1, 3×3 at each rate, and the mean of the whole image; then a 1×1 projection.

    DeepLab v3, arXiv:1706.05587, section 3.3; with ``separable=True`` the 3×3 convolutions are depthwise separable as
    in DeepLab v3+, arXiv:1802.02611, section 3.1. The mean of the image is one value a position, so its resizing to
    the map is a repetition.

    >>> ASPP(16, 8, rates=(6, 12, 18))(torch.randn(2, 16, 9, 9)).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self, in_channels: int, channels: int, rates: tuple[int, ...], *, separable: bool = True, dropout: float = 0.1
    ) -> None:
        super().__init__()
        branch = separable_convolution if separable else convolution
        self.branches = nn.ModuleList(
            [convolution(in_channels, channels, 1), *(branch(in_channels, channels, 3, rate) for rate in rates)]
        )
        self.image_pooling = pooled_projection(in_channels, channels)
        self.project = convolution((len(rates) + 2) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """All branches, concatenated and projected."""
        pooled = self.image_pooling(x.mean((-2, -1), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        views = torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1)
        return self.dropout(self.project(views))
