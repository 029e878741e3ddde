"""The dense CRF behind a network, as :class:`intarsia.affinity.MeanField` learns it."""

import math
from dataclasses import asdict
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.affinity import MeanField
from intarsia.backbones import BackboneSpec
from intarsia.models.refiner import Refiner

REFINED_MAPS, REFINED_FLOATS = 7, 90  # what mean field keeps, of all classes and beside, floats a pixel: measured on a
# photograph in colour, with room to spare; noise, where no two pixels share a vertex of the lattice, takes twice that

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class CRF:
    """How :class:`intarsia.affinity.MeanField` begins; σ are in pixels, ``srgb`` in levels of 255, and stay.

    The numbers are those of :func:`intarsia.dense_crf`; the paper found its own by a search for each data set, as
    ``intarsia refine --fit`` does.
    """

    smoothness_weight: Weight = 3.0
    smoothness_sxy: Deviation = 3.0
    appearance_weight: Weight = 10.0
    appearance_sxy: Deviation = 80.0
    appearance_srgb: Deviation = 13.0
    iterations_in_training: PositiveInt = 5
    iterations: PositiveInt = 10

    def build(self, classes: int, spec: BackboneSpec) -> Refiner:
        """The refiner for so many logits."""
        field = CRFRefiner(max(2, classes), spec.mean, spec.std, **asdict(self))
        field.reach = math.ceil(max(self.smoothness_sxy, self.appearance_sxy))
        field.floats = REFINED_MAPS * max(2, classes) + REFINED_FLOATS
        return field if classes > 1 else OneLogit(field)


class CRFRefiner(MeanField, Refiner):
    """Mean field, with the names that its tensors have in files; it looks at the image, and at no map of it."""

    kind: ClassVar[str] = "crf"

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B K H W"]:
        """Refined logits."""
        return super().forward(logits, images)

    def own_numbers(self) -> list[nn.Parameter]:
        """All that it learns: weights from 1 to 10, and what classes pay for standing side by side."""
        return list(self.parameters())


class OneLogit(Refiner):
    """A CRF of two classes for one logit z of a sigmoid: softmax(0, z) gives its probabilities."""

    kind: ClassVar[str] = "crf"

    def __init__(self, two_classes: CRFRefiner) -> None:
        super().__init__()
        self.two_classes = two_classes
        self.reach, self.floats = two_classes.reach, two_classes.floats

    def forward(
        self,
        logits: Float[Tensor, "B 1 H W"],
        images: Float[Tensor, "B C H W"],
        features: tuple[Float[Tensor, "B _ _ _"], ...] = (),
    ) -> Float[Tensor, "B 1 H W"]:
        """What the second class is above the first."""
        background, foreground = self.two_classes(torch.cat([torch.zeros_like(logits), logits], dim=1), images).split(
            1, 1
        )
        return foreground - background

    def own_numbers(self) -> list[nn.Parameter]:
        """Those of the two classes."""
        return self.two_classes.own_numbers()
