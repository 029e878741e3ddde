"""Atrous spatial pyramid pooling."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.layers.convolutions import convolution, pooled_projection, separable_convolution
from intarsia.layers.hybrid_dilation import checked_rates

Block = Callable[[int, int, int, int], nn.Module]


class ASPP(nn.Module):
    """Parallel views of one map: 1×1, 3×3 at each rate, and the mean of the whole image; then a 1×1 projection.

    DeepLab v3, arXiv:1706.05587, section 3.3. ``block`` makes a 3×3 convolution from (in, out, kernel, dilation):
    separable as in DeepLab v3+, arXiv:1802.02611, section 3.1, or :func:`~intarsia.layers.convolutions.convolution`.
    The mean of the image is one value a channel, so its resizing to the map is a repetition; ``image_pooling=False``
    leaves it out, as the rows before the last of the paper's table 5 do; without ``rates`` only the 1×1 is left of the
    rest. A rate as large as the map leaves only the centre of its 3×3 kernel at work (section 3.3), which is why the
    mean is there.

    Raises:
        ArgumentError: a rate below 1.

    >>> ASPP(16, 8, rates=(6, 12, 18))(torch.randn(2, 16, 9, 9)).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        rates: Sequence[int],
        *,
        block: Block = separable_convolution,
        dropout: float = 0.1,
        image_pooling: bool = True,
    ) -> None:
        super().__init__()
        self.rates = checked_rates(rates) if rates else ()
        self.branches = nn.ModuleList([convolution(in_channels, channels, 1)])
        self.branches.extend(block(in_channels, channels, 3, rate) for rate in self.rates)
        self.image_pooling = pooled_projection(in_channels, channels) if image_pooling else None
        self.project = convolution((len(self.branches) + image_pooling) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    @property
    def fewest_positions(self) -> int:
        """So many that the smallest rate reaches another position than its own."""
        return min(self.rates, default=0) + 1

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """All branches, concatenated and projected."""
        means = [] if self.image_pooling is None else [self._repeated_mean(self.image_pooling, x)]
        views = [branch(x) for branch in self.branches]
        return self.dropout(self.project(torch.cat(views + means, dim=1)))

    @staticmethod
    def _repeated_mean(project: nn.Module, x: Tensor) -> Tensor:
        """The mean of the image at each position, in the layout of the map.

        It is computed first because its gradient, whose layout is always contiguous, then comes last: the sum of the
        gradients keeps the layout of the first of them, and sums over two layouts are slow.
        """
        in_last = x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if in_last else torch.contiguous_format
        mean = project(x.mean((-2, -1), keepdim=True))
        return mean.expand(-1, -1, *x.shape[-2:]).contiguous(memory_format=layout)
