"""What a training minimises: a sum of losses by name, and what the losses themselves learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from intarsia.losses.adaptive_affinity_field import AdaptiveAffinityField
from intarsia.losses.border import border_weighted_cross_entropy
from intarsia.losses.cross_entropy import cross_entropy
from intarsia.losses.ohem import ohem_cross_entropy
from intarsia.shapes import IGNORE

PIXELS: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "border_weighted": border_weighted_cross_entropy,
    "ohem": ohem_cross_entropy,
}
PAIRS: dict[str, Callable[..., AdaptiveAffinityField]] = {"aaf": AdaptiveAffinityField}


class Objective(nn.Module):
    """A sum of losses: those of pixels, for every output of a network, and those of pairs, for the main one alone.

    Its parameters are what losses learn beside the network. They belong to the training, not to the network.

    Args:
        terms: names of losses.
        classes: of the logits.
        options: of those losses of pairs that are in the sum.

    >>> import torch
    >>> objective = Objective(["cross_entropy", "aaf"], classes=3)
    >>> [name for name, _ in objective.named_parameters()]
    ['pairs.0.edge', 'pairs.0.not_edge']
    """

    def __init__(self, terms: Sequence[str] = (), classes: int = 2, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.pixels = [PIXELS[term] for term in terms if term in PIXELS]
        self.pairs = nn.ModuleList(PAIRS[term](classes, **(options or {})) for term in terms if term in PAIRS)

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        target: Int[Tensor, "B H W"],
        ignore: int = IGNORE,
        auxiliary: bool = False,
    ) -> Float[Tensor, ""]:
        """The sum for the main output of a network, or for an ``auxiliary`` one."""
        losses = [loss(logits, target, ignore) for loss in (*self.pixels, *(() if auxiliary else self.pairs))]
        return sum(losses[1:], losses[0])

    def advance(self, progress: float) -> None:
        """Say how much of the training is over, from 0 to 1: some losses decay."""
        for pair in self.pairs:
            assert isinstance(pair, AdaptiveAffinityField)
            pair.progress = progress
