"""What a training minimises: a weighted sum of losses by name, and what the losses themselves learn."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intarsia.errors import ArgumentError
from intarsia.losses.adaptive_affinity_field import AdaptiveAffinityField
from intarsia.losses.border import border_weighted_cross_entropy
from intarsia.losses.cross_entropy import cross_entropy
from intarsia.losses.dice import dice
from intarsia.losses.focal import focal
from intarsia.losses.lovasz import lovasz
from intarsia.losses.ohem import ohem_cross_entropy
from intarsia.losses.pixels import mean_by, total_weight
from intarsia.shapes import IGNORE

PIXELS: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
    "lovasz": lovasz,
    "ohem": ohem_cross_entropy,
    "border_weighted": border_weighted_cross_entropy,
}
Average = Literal["pixels", "images"]
PAIRS: dict[str, Callable[..., AdaptiveAffinityField]] = {"aaf": AdaptiveAffinityField}


class Objective(nn.Module):
    """A weighted sum of losses: those of pixels, for every output of a network, and those of pairs, for the main one.

    Its parameters are what losses learn beside the network, and its buffer the class weights. They belong to the
    training, not to the network.

    Args:
        terms: names of losses, and what each counts.
        classes: of the logits.
        options: of the losses in the sum, by the loss's name, as its function takes them.
        class_weights: one number a class, for all losses of pixels.
        average: losses of pixels are taken of a batch's pixels together, or of each image by itself; then their value
            is the mean over the images that have a pixel of any weight. Each image counts as much as another, and
            every one of these losses adds up over the parts of a batch, also those that choose or sort.

    Raises:
        ArgumentError: another ``average``.

    >>> objective = Objective({"focal": 1.0, "dice": 0.5, "aaf": 1.0}, classes=3, options={"focal": {"gamma": 1.0}})
    >>> [name for name, _ in objective.named_parameters()]
    ['pairs.0.edge', 'pairs.0.not_edge']
    >>> objective(torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.long)).requires_grad
    True
    """

    def __init__(
        self,
        terms: Mapping[str, float] = MappingProxyType({}),
        classes: int = 2,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        class_weights: Float[Tensor, "C"] | None = None,
        average: Average = "pixels",
    ) -> None:
        super().__init__()
        if average not in ("pixels", "images"):
            raise ArgumentError(f"`average` (={average!r}) must be 'pixels' or 'images'.")
        self.average = average
        given = options or {}
        self.pixels = [(w, partial(PIXELS[name], **given.get(name, {}))) for name, w in terms.items() if name in PIXELS]
        self.pairs = nn.ModuleList(PAIRS[name](classes, **given.get(name, {})) for name in terms if name in PAIRS)
        self.pair_factors = tuple(weight for name, weight in terms.items() if name in PAIRS)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        target: Int[Tensor, "B H W"],
        ignore: int = IGNORE,
        auxiliary: bool = False,
    ) -> Float[Tensor, ""]:
        """The sum for the main output of a network, or for an ``auxiliary`` one."""
        by_images = self.average == "images"
        losses = [self._of_images(logits, target, ignore)] if by_images else self._of_pixels(logits, target, ignore)
        if not auxiliary:
            losses += [w * loss(logits, target, ignore) for w, loss in zip(self.pair_factors, self.pairs, strict=True)]
        return sum(losses[1:], losses[0])

    def weight(self, target: Int[Tensor, "B H W"], ignore: int = IGNORE) -> Tensor:
        """By what the losses divide that add up over batches.

        That is the number of valid pixels, or the sum of their class weights; or the number of images that have any.
        """
        if self.average == "images":
            return self._weigh_anything(target, ignore).sum()
        return total_weight(target, ignore, self.class_weights)

    def _of_pixels(self, logits: Tensor, target: Tensor, ignore: int) -> list[Tensor]:
        return [w * loss(logits, target, ignore, class_weights=self.class_weights) for w, loss in self.pixels]

    def _of_images(self, logits: Tensor, target: Tensor, ignore: int) -> Tensor:
        pairs = zip(logits.split(1), target.split(1), strict=True)
        totals = torch.stack([sum(self._of_pixels(*pair, ignore), logits.new_zeros(())) for pair in pairs])
        counted = self._weigh_anything(target, ignore)
        return mean_by((totals * counted).sum(), counted.sum())

    def _weigh_anything(self, target: Tensor, ignore: int) -> Tensor:
        """(B,): whether an image has a pixel of any weight."""
        return torch.stack([total_weight(one, ignore, self.class_weights) for one in target.split(1)]) > 0

    def advance(self, progress: float) -> None:
        """Say how much of the training is over, from 0 to 1: some losses decay."""
        for pair in self.pairs:
            assert isinstance(pair, AdaptiveAffinityField)
            pair.progress = progress
