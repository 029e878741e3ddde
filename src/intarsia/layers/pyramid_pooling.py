"""Pyramid pooling."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import pooled_projection
from intarsia.layers.resizing import resize


class PyramidPooling(nn.Module):
    """The map beside its means over 1×1, 2×2, 3×3 and 6×6 bins, each reduced to few channels and resized.

    PSPNet, arXiv:1612.01105, section 3.2 and figure 3. ``channels`` are those of each reduced level, by default
    C / len(bins). Bins are adaptive: they overlap by up to a row where the map does not divide, and a bin of one
    position trains with a single image. The authors' Caffe networks pool with fixed windows, which are the same where
    the map divides by the bins (60 or 90 rows).

    Raises:
        ArgumentError: ``bins`` are none or below 1, or so many that no channel is left for each.

    >>> PyramidPooling(16)(torch.randn(2, 16, 9, 9)).shape
    torch.Size([2, 32, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        *,
        channels: int | None = None,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        if not bins or min(bins) < 1:
            raise ArgumentError(f"`bins` (={tuple(bins)}) must be one or more numbers from 1 on, such as (1, 2, 3, 6).")
        channels = in_channels // len(bins) if channels is None else channels
        if channels < 1:
            raise ArgumentError(
                f"`bins` (={tuple(bins)}) leave no channel of {in_channels} for each; pass fewer bins or `channels`."
            )
        self.bins = tuple(bins)
        self.align_corners = align_corners
        self.levels = nn.ModuleList(pooled_projection(in_channels, channels) for _ in self.bins)
        self.out_channels = in_channels + channels * len(self.bins)

    @property
    def fewest_positions(self) -> int:
        """So many that no two bins of a row are the same."""
        return max(self.bins)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Concatenate the map and its pooled views."""
        views = [x]
        for bins, level in zip(self.bins, self.levels, strict=True):
            views.append(resize(level(F.adaptive_avg_pool2d(x, bins)), x.shape[-2:], self.align_corners))
        return torch.cat(views, dim=1)
