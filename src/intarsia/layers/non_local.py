"""Non-local blocks: the response at a position is a weighted sum over all positions."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.layers.attention import attend

Similarity = Literal["embedded_gaussian", "dot_product", "concatenation"]


class NonLocal(nn.Module):
    """x + W_z y with y_i = (1 / C(x)) Σ_j f(x_i, x_j) g(x_j), in one of three similarities f.

    Wang et al., arXiv:1711.07971, section 3, equations 1 and 4–6, with θ, φ, g to C / 2 channels:

    * ``embedded_gaussian``: f = exp(θ_i · φ_j), C = Σ_j f: a softmax, computed block by block (``attend``);
    * ``dot_product``: f = θ_i · φ_j, C = N: computed as θ (φᵀ g) / N, a C/2 × C/2 matrix;
    * ``concatenation``: f = ReLU(w_f · [θ_i, φ_j]), C = N: f depends on two numbers, a_i + b_j, so with the b_j sorted
      the sum is read off running totals (:func:`rectified_sum`).

    None of them holds an N×N matrix. ``subsample`` pools φ and g 2×2 by their maximum (section 3.3). ``norm`` puts
    batch norm after W_z, whose scale starts at zero (section 4.1); without it W_z itself does: either way the block
    starts as the identity and may be put into a trained network.

    Raises:
        UnknownNameError: no such ``similarity``.
        ArgumentError: fewer than two channels.

    >>> x = torch.randn(1, 16, 9, 7)
    >>> torch.equal(NonLocal(16, "concatenation", subsample=True)(x), x)
    True
    """

    def __init__(
        self,
        channels: int,
        similarity: Similarity = "embedded_gaussian",
        *,
        subsample: bool = False,
        norm: bool = True,
    ) -> None:
        super().__init__()
        if similarity not in get_args(Similarity):
            listing = "`intarsia.layers.non_local.Similarity`"
            raise UnknownNameError("similarity", similarity, get_args(Similarity), listing)
        if channels < 2:
            raise ArgumentError(f"`channels` (={channels}) must be at least 2: the block works on half of them.")
        inner = channels // 2
        self.similarity, self.subsample = similarity, subsample
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        if similarity == "concatenation":
            self.pair = nn.Conv2d(2 * inner, 1, 1, bias=False)
        self.restore = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        for parameter in self.norm.parameters() if norm else self.restore.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The map, and what its positions gathered."""
        theta, phi, g = self.theta(x), self.phi(x), self.g(x)
        if self.subsample:
            phi, g = (F.max_pool2d(part, 2, ceil_mode=True) for part in (phi, g))
        gathered = self._gather(theta.flatten(2), phi.flatten(2), g.flatten(2)).unflatten(2, x.shape[-2:])
        return self.norm(self.restore(gathered.to(theta.dtype))) + x

    def _gather(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        if self.similarity == "embedded_gaussian":
            return attend(theta, phi, g)
        if self.similarity == "dot_product":
            return (g @ phi.mT / phi.shape[-1]) @ theta
        w_theta, w_phi = self.pair.weight.flatten(1).chunk(2, dim=1)  # each (1, C/2)
        return rectified_sum((w_theta @ theta)[:, 0], (w_phi @ phi)[:, 0], g) / phi.shape[-1]


def rectified_sum(
    a: Float[Tensor, "B N"], b: Float[Tensor, "B M"], values: Float[Tensor, "B C M"]
) -> Float[Tensor, "B C N"]:
    """Σ_j ReLU(a_i + b_j) · values_j for every i, in O(M log M + N log M) and without an N×M matrix.

    With the b_j in falling order those that pass the ReLU are the first k_i, so the sum is a_i · V[k_i] + U[k_i], where
    V and U are running totals of values_j and of b_j · values_j. Computed in float32 at least.

    >>> rectified_sum(torch.tensor([[0.0, 1.0]]), torch.tensor([[-0.5, 2.0]]), torch.tensor([[[10.0, 1.0]]]))
    tensor([[[2., 8.]]])
    """
    exact = torch.promote_types(values.dtype, torch.float32)
    a, b, values = a.to(exact), b.to(exact), values.to(exact)
    b, order = b.sort(dim=-1, descending=True)
    values = values.gather(-1, order[:, None].expand_as(values))
    passing = torch.searchsorted(-b.detach(), a.detach().contiguous())  # how many b_j exceed −a_i
    index = passing[:, None].expand(-1, values.shape[1], -1)
    totals, weighted = (F.pad(x.cumsum(-1), (1, 0)).gather(-1, index) for x in (values, values * b[:, None]))
    return a[:, None] * totals + weighted
