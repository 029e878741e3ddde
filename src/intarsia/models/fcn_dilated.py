"""The dilated FCN: a fully convolutional head on any backbone, as torchvision made it common."""

from types import MappingProxyType

from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone
from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import convolution
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability
from intarsia.models.segmentation_network import SegmentationNetwork

AUXILIARY_WEIGHT = 0.5  # torchvision's references/segmentation/train.py


@dataclass(frozen=True, kw_only=True)
class FCNDilatedForm(Form):
    """The head has a ``reduction``-th of the backbone's channels. No paper has this network, so both forms agree."""

    reduction: PositiveInt = 4
    dropout: Probability = 0.1
    align_corners: bool = False


FORMS = MappingProxyType({"paper": FCNDilatedForm(), "torchvision": FCNDilatedForm()})


class FCNDilatedDecoder(nn.Module):
    """One 3×3 convolution on the last map, batch norm, ReLU and dropout."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.convolution = convolution(in_channels, channels, 3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The narrowed map at the backbone's output stride."""
        return self.dropout(self.convolution(features[-1]))


def fcn_dilated(backbone: Backbone, classes: int, form: FCNDilatedForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, 3×3 convolution, 1×1 classifier; the auxiliary head is the same on the last map but one."""
    spec = backbone.spec
    narrowest = min(spec.channels[-2:] if auxiliary else spec.channels[-1:])
    if form.reduction > narrowest:
        raise ArgumentError(
            f"`reduction` (={form.reduction}) leaves none of the {narrowest} channels of a map of backbone "
            f"`{spec.name}`; use {narrowest} or less."
        )
    last = spec.channels[-1] // form.reduction
    return SegmentationNetwork(
        backbone,
        FCNDilatedDecoder(spec.channels[-1], last, form.dropout),
        nn.Conv2d(last, classes, 1),
        frame=Resized(form.align_corners),
        auxiliary=[(AUXILIARY_WEIGHT, _side_head(spec.channels[-2], classes, form))] if auxiliary else (),
    )


def _side_head(channels: int, classes: int, form: FCNDilatedForm) -> nn.Sequential:
    width = channels // form.reduction
    return nn.Sequential(convolution(channels, width, 3), nn.Dropout(form.dropout), nn.Conv2d(width, classes, 1))
