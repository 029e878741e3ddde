"""Squeeze and excitation: attention over channels, from the mean of the image."""

from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import ArgumentError


class SqueezeExcitation(nn.Module):
    """x · s, where s = σ(W₂ ReLU(W₁ mean(x))) is one number in (0, 1) a channel.

    Hu et al., arXiv:1709.01507, section 3, equations 2–4; ``reduction`` is the paper's r. W₁ and W₂ are 1×1
    convolutions with bias: the paper's equation 3 leaves the bias out, its authors' networks have it.

    Raises:
        ArgumentError: ``channels`` is smaller than ``reduction``.

    >>> import torch
    >>> SqueezeExcitation(32)(torch.randn(2, 32, 9, 7)).shape
    torch.Size([2, 32, 9, 7])
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, reduced(channels, reduction), 1)
        self.relu = nn.ReLU(inplace=True)
        self.excite = nn.Conv2d(self.squeeze.out_channels, channels, 1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The map, its channels weighted."""
        means = x.mean((-2, -1), keepdim=True)
        return x * self.excite(self.relu(self.squeeze(means))).sigmoid()


def reduced(channels: int, reduction: int) -> int:
    """``channels // reduction``, which must leave at least one."""
    if not 1 <= reduction <= channels:
        raise ArgumentError(
            f"`reduction` (={reduction}) must lie between 1 and the number of channels (={channels}), so that at least "
            "one is left; choose a smaller one."
        )
    return channels // reduction
