"""A refiner behind any system: full-size logits and the image that they are for → better logits, all learned."""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.affinity import MeanField
from intarsia.errors import UnknownNameError
from intarsia.models.options import replaced
from intarsia.models.segmentation_network import SegmentationNetwork

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


REFINERS: Mapping[str, CRF] = MappingProxyType({"crf": CRF()})


def refine(net: SegmentationNetwork, refiner: str, classes: int, options: Mapping[str, Any]) -> None:
    """Put a refiner behind a network; ``options`` replace single fields of how it begins.

    The names of all other tensors stay, so that a network that was trained without goes on with it (Zheng et al., ICCV
    2015, section 5.1, begin so too). Auxiliary heads, which help the backbone, are not refined.

    Raises:
        UnknownNameError: there is no such refiner.
        ArgumentError: there is no such option, or its value breaks a rule.
    """
    if refiner not in REFINERS:
        raise UnknownNameError("refiner", refiner, REFINERS, "`intarsia train --help`")
    chosen = replaced(f"refiner {refiner}", REFINERS[refiner], options)
    spec = net.backbone.spec
    field = MeanField(max(2, classes), spec.mean, spec.std, **asdict(chosen))
    net.refiner = field if classes > 1 else OneLogit(field)


class OneLogit(nn.Module):
    """A refiner of two classes for one logit z of a sigmoid: softmax(0, z) gives its probabilities."""

    def __init__(self, two_classes: nn.Module) -> None:
        super().__init__()
        self.two_classes = two_classes

    def forward(self, logits: Float[Tensor, "B 1 H W"], images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """What the second class is above the first."""
        background, foreground = self.two_classes(torch.cat([torch.zeros_like(logits), logits], dim=1), images).split(
            1, 1
        )
        return foreground - background
