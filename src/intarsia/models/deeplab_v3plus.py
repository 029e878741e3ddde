"""DeepLab v3+."""

from functools import partial
from types import MappingProxyType

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.layers.aspp import ASPP
from intarsia.layers.convolutions import convolution, separable_convolution
from intarsia.layers.resizing import resize
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class DeepLabV3PlusForm(Form):
    """The paper's choices; ``rates`` are those at output stride 16 and scale with 16 / output stride.

    ``depthwise_norm`` puts batch norm and ReLU between the two halves of a separable convolution. The authors' batch
    norm has momentum 0.0003 for batches of 16 and more; here it is PyTorch's 0.1, which suits small ones.
    """

    rates: tuple[PositiveInt, ...] = (6, 12, 18)
    aspp_channels: PositiveInt = 256
    low_level_channels: PositiveInt = 48  # section 4.1: 48 beat 32 and 64
    decoder_channels: PositiveInt = 256
    separable: bool = True
    depthwise_norm: bool = True
    dropout: Probability = 0.1  # the authors' code keeps 0.9
    align_corners: bool = True


FORMS = MappingProxyType({"paper": DeepLabV3PlusForm()})


class DeepLabV3PlusDecoder(nn.Module):
    """ASPP on the last map, joined at stride 4 with the narrowed low-level map, refined by two 3×3 convolutions.

    arXiv:1802.02611, section 3.1 and figure 2.
    """

    def __init__(self, spec: BackboneSpec, form: DeepLabV3PlusForm) -> None:
        super().__init__()
        self.low_level = spec.index_of(4)
        self.align_corners = form.align_corners
        rates = tuple(max(1, rate * 16 // spec.output_stride) for rate in form.rates)
        separable = partial(separable_convolution, depthwise_norm=form.depthwise_norm)
        block = separable if form.separable else convolution
        self.aspp = ASPP(spec.channels[-1], form.aspp_channels, rates, block=block, dropout=form.dropout)
        self.narrow = convolution(spec.channels[self.low_level], form.low_level_channels, 1)
        self.refine = nn.Sequential(
            block(form.aspp_channels + form.low_level_channels, form.decoder_channels),
            block(form.decoder_channels, form.decoder_channels),
        )

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The refined map at stride 4."""
        low_level = self.narrow(features[self.low_level])
        context = resize(self.aspp(features[-1]), low_level.shape[-2:], self.align_corners)
        return self.refine(torch.cat([context, low_level], dim=1))


def deeplab_v3plus(backbone: Backbone, classes: int, form: DeepLabV3PlusForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, ASPP, decoder at stride 4, bilinear upsampling."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        DeepLabV3PlusDecoder(spec, form),
        nn.Conv2d(form.decoder_channels, classes, 1),
        frame=Resized(form.align_corners),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
