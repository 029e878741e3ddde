"""DANet's two attentions: over positions and over channels."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import UnknownNameError
from intarsia.layers.attention import attend
from intarsia.layers.squeeze_excitation import reduced

Preference = Literal["dissimilar", "similar"]


class PositionAttention(nn.Module):
    """x + γ · V Aᵀ: every position receives all values, weighted by A = softmax over the keys of Qᵀ K.

    DANet, arXiv:1809.02983, section 3.2, equations 1 and 2. Q and K are 1×1 convolutions to C / ``reduction`` channels,
    V to C, all with bias; scores are not scaled. The paper speaks of batch norm and ReLU after them: the authors' code
    has neither, and they confirmed it. γ starts at zero, so the block starts as the identity. The N×N matrix is never
    held (:func:`~intarsia.layers.attention.attend`).

    Raises:
        ArgumentError: ``channels`` is smaller than ``reduction``.

    >>> x = torch.randn(1, 16, 9, 7)
    >>> torch.equal(PositionAttention(16)(x), x)
    True
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, reduced(channels, reduction), 1)
        self.key = nn.Conv2d(channels, reduced(channels, reduction), 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The map, and what its positions gathered."""
        gathered = attend(self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2))
        return self.gamma * gathered.unflatten(2, x.shape[-2:]) + x


class ChannelAttention(nn.Module):
    """x + γ · A X: every channel receives all channels, weighted by a softmax of their inner products E = X Xᵀ.

    DANet, arXiv:1809.02983, section 3.2, equations 3 and 4. The paper's A = softmax(E) prefers similar channels
    (``preference="similar"``). The authors' code computes softmax(max E − E), row by row, which prefers dissimilar ones
    and, as they say, converges better; their weights need it, and it is the default. No parameter but γ, which
    starts at zero. E sums over all positions, so it is never computed in less than float32.

    Raises:
        UnknownNameError: ``preference`` is neither of the two.

    >>> x = torch.randn(1, 16, 9, 7)
    >>> torch.equal(ChannelAttention()(x), x)
    True
    """

    def __init__(self, preference: Preference = "dissimilar") -> None:
        super().__init__()
        if preference not in get_args(Preference):
            listing = "`intarsia.layers.dual_attention.Preference`"
            raise UnknownNameError("preference", preference, get_args(Preference), listing)
        self.preference = preference
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The map, and what its channels gathered."""
        rows = x.flatten(2)
        with torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False):
            exact = rows.to(torch.promote_types(x.dtype, torch.float32))
            energy = exact @ exact.mT
            if self.preference == "dissimilar":
                energy = energy.amax(-1, keepdim=True) - energy
            weights = energy.softmax(-1).to(x.dtype)
        return self.gamma * (weights @ rows).unflatten(2, x.shape[-2:]) + x
