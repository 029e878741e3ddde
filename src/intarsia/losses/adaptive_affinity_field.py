"""Adaptive affinity fields: how far a class looks at its neighbours is learned against the network."""

from collections.abc import Sequence
from numbers import Integral

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intarsia.affinity.affinity_field import affinity_field_loss, check_pairs
from intarsia.errors import ArgumentError
from intarsia.shapes import IGNORE


class AdaptiveAffinityField(nn.Module):
    """The affinity field loss with weights of sizes for each class, which rise where the network does worst.

    Ke et al., arXiv:1803.10335, section 3.3: the network minimises the loss and the weights, which a softmax makes a
    share of each size, maximise it. Both happen in one step of one optimiser, since the weights' gradient arrives
    reversed. The loss decays by a factor of ten over a training, as in the authors' code.

    Args:
        classes: of the logits; 1 is a sigmoid.
        sizes: odd, of the windows on whose border the eight neighbours lie. A single one is the paper's affinity field
            of fixed size, with nothing to learn.
        margin: the divergence from which neighbours of two classes are unlike enough, nats.
        stride: only every stride-th row and column counts, and neighbours are as many pixels farther away. The authors
            compare logits at an eighth of the image's size with labels shrunk to that, which is 8.
        weight: what the loss counts, λ1 and λ2 of the paper.

    Raises:
        ArgumentError: a stride below 1, or so large that no pixel is left, a weight or margin that is not positive,
            sizes that are not odd; what the loss refuses.

    >>> loss = AdaptiveAffinityField(classes=3)
    >>> logits, labels = torch.zeros(1, 3, 8, 8), torch.eye(8).long()[None]
    >>> loss(logits, labels).item()  # alike everywhere: the margin, shared between sizes
    3.0
    """

    def __init__(
        self,
        classes: int,
        sizes: Sequence[int] = (3, 5, 7),
        margin: float = 3.0,
        stride: int = 1,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_pairs(sizes, margin)
        if not isinstance(stride, Integral) or stride < 1:
            raise ArgumentError(f"`stride` (={stride}) must be a whole number of pixels from 1 on; 1 takes each pixel.")
        if not 0 < weight < float("inf"):
            raise ArgumentError(f"`weight` (={weight}) must be a positive number; the paper's is 1.")
        self.sizes, self.margin, self.stride, self.weight = sizes, margin, stride, weight
        self.progress = 0.0
        """How much of the training is over, from 0 to 1."""
        self.edge = nn.Parameter(torch.zeros(max(classes, 2), len(sizes)))
        self.not_edge = nn.Parameter(torch.zeros(max(classes, 2), len(sizes)))

    def forward(
        self, logits: Float[Tensor, "B K H W"], target: Int[Tensor, "B H W"], ignore: int = IGNORE
    ) -> Float[Tensor, ""]:
        """The loss of a batch."""
        every = slice(self.stride // 2, None, self.stride)
        if 0 < min(logits.shape[2:]) <= self.stride // 2:
            raise ArgumentError(
                f"`stride` (={self.stride}) leaves no pixel of maps of {logits.shape[2]}×{logits.shape[3]}: it must be "
                "less than twice their shorter side; 1 takes each pixel."
            )
        loss = affinity_field_loss(
            logits[:, :, every, every],
            target[:, every, every],
            sizes=self.sizes,
            margin=self.margin,
            edge_weights=_reversed(self.edge),
            not_edge_weights=_reversed(self.not_edge),
            ignore=ignore,
        )
        return self.weight * 10**-self.progress * loss


def _reversed(weights: Tensor) -> Tensor:
    """The same numbers, whose gradient comes with the other sign: what minimises the loss maximises it here."""
    return 2 * weights.detach() - weights
