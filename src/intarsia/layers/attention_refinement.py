"""BiSeNet's two blocks: channel attention on the context path, and fusion of both paths."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import UnknownNameError
from intarsia.layers.convolutions import PooledBatchNorm2d, convolution

Gate = Literal["two_convolutions", "one_normalised"]


class AttentionRefinement(nn.Module):
    """ARM: a 3×3 convolution y, then y · σ(BN(W mean(y))).

    BiSeNet, arXiv:1808.00897, section 3.2 and figure 2(b). The figure shows the attention on the incoming map; both
    public implementations put a 3×3 convolution to the path's width before it, and so it is here. ``residual=True``
    gives y + y · a instead. A single image trains: with one value a channel the running statistics serve.

    >>> AttentionRefinement(32, 16)(torch.randn(1, 32, 9, 7)).shape
    torch.Size([1, 16, 9, 7])
    """

    def __init__(self, in_channels: int, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.features = convolution(in_channels, channels, 3)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), PooledBatchNorm2d(channels), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The refined map."""
        return weighted(self.features(x), self.attention, self.residual)


class FeatureFusion(nn.Module):
    """FFM: both paths joined by a 1×1 convolution y, then y + y · a with a = σ(W₂ ReLU(W₁ mean(y))).

    BiSeNet, arXiv:1808.00897, section 3.2 and figure 2(c); no batch norm in the attention. ``gate="one_normalised"``
    computes a = σ(BN(W mean(y))) as CoinCheung's repository does since it exports to TensorRT.
    ``residual=False`` gives y · a. ``in_channels`` are those of both paths together.

    Raises:
        UnknownNameError: ``gate`` is neither of the two.

    >>> FeatureFusion(8 + 24, 16)(torch.randn(1, 8, 9, 7), torch.randn(1, 24, 9, 7)).shape
    torch.Size([1, 16, 9, 7])
    """

    def __init__(
        self, in_channels: int, channels: int, *, gate: Gate = "two_convolutions", residual: bool = True
    ) -> None:
        super().__init__()
        if gate not in get_args(Gate):
            raise UnknownNameError("gate", gate, get_args(Gate), "`intarsia.layers.attention_refinement.Gate`")
        self.residual = residual
        self.fuse = convolution(in_channels, channels, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            *(
                [PooledBatchNorm2d(channels)]
                if gate == "one_normalised"
                else [nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False)]
            ),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Float[Tensor, "B C H W"], context: Float[Tensor, "B D H W"]) -> Float[Tensor, "B E H W"]:
        """The fused map."""
        return weighted(self.fuse(torch.cat([spatial, context], dim=1)), self.attention, self.residual)


def weighted(y: Tensor, attention: nn.Module, residual: bool) -> Tensor:
    """The map times the attention to its channels; the map itself is added where ``residual``."""
    product = y * attention(y.mean((-2, -1), keepdim=True))
    return y + product if residual else product
