"""Pyramid pooling."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.convolutions import pooled_projection
from intarsia.layers.resizing import resize


class PyramidPooling(nn.Module):
    """The map beside its means over 1×1, 2×2, 3×3 and 6×6 bins, each reduced to C / len(bins) channels and resized.

    PSPNet, arXiv:1612.01105, section 3.2 and figure 3. Bins are adaptive: they overlap by up to a row where the map
    does not divide, and a bin of one position trains with a single image.

    >>> PyramidPooling(16)(torch.randn(2, 16, 9, 9)).shape
    torch.Size([2, 32, 9, 9])
    """

    def __init__(self, in_channels: int, bins: tuple[int, ...] = (1, 2, 3, 6), *, align_corners: bool = True) -> None:
        super().__init__()
        self.bins = bins
        self.align_corners = align_corners
        self.levels = nn.ModuleList(pooled_projection(in_channels, in_channels // len(bins)) for _ in bins)
        self.out_channels = in_channels + in_channels // len(bins) * len(bins)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Concatenate the map and its pooled views."""
        views = [x]
        for bins, level in zip(self.bins, self.levels, strict=True):
            views.append(resize(level(F.adaptive_avg_pool2d(x, bins)), x.shape[-2:], self.align_corners))
        return torch.cat(views, dim=1)
