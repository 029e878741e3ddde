"""DeepLab v3+."""

from functools import partial
from types import MappingProxyType

import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.layers.aspp import ASPP
from intarsia.layers.convolutions import convolution, separable_convolution
from intarsia.layers.resizing import resize
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability, Rates, rates_at
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class DeepLabV3PlusForm(Form):
    """The paper's choices; ``rates`` are those at output stride 16 and scale with 16 / output stride.

    ``depthwise_norm`` puts batch norm and ReLU between the two halves of a separable convolution. ``deepened`` puts a
    3×3 convolution behind the pyramid; ``refinements`` is the number of those behind the joined maps. ``norm_eps`` is
    added to the variances of the decoder's batch norms: the authors' code has 1e-5 here and 1e-3 in Xception, which
    timm's aligned Xceptions keep. The authors' batch norm has momentum 0.0003 for batches of 16 and more; here it is
    PyTorch's 0.1, which suits small ones.
    """

    rates: Rates = (6, 12, 18)
    aspp_channels: PositiveInt = 256
    low_level_channels: PositiveInt = 48  # section 4.1: 48 beat 32 and 64
    decoder_channels: PositiveInt = 256
    separable: bool = True
    depthwise_norm: bool = True
    deepened: bool = False
    refinements: PositiveInt = 2  # section 4.1: two beat one and three
    norm_eps: PositiveFloat = 1e-5
    dropout: Probability = 0.1  # the authors' code keeps 0.9
    align_corners: bool = True


FORMS = MappingProxyType(
    {
        "paper": DeepLabV3PlusForm(),
        "smp": DeepLabV3PlusForm(
            rates=(12, 24, 36),
            depthwise_norm=False,
            deepened=True,
            refinements=1,
            dropout=0.5,
            dilation="uniform",
        ),
    }
)


class DeepLabV3PlusDecoder(nn.Module):
    """ASPP on the last map, joined at stride 4 with the narrowed low-level map, refined by 3×3 convolutions.

    arXiv:1802.02611, section 3.1 and figure 2.
    """

    def __init__(self, spec: BackboneSpec, form: DeepLabV3PlusForm) -> None:
        super().__init__()
        self.low_level = spec.index_of(4)
        self.align_corners = form.align_corners
        separable = partial(separable_convolution, depthwise_norm=form.depthwise_norm)
        block = separable if form.separable else convolution
        context, width = form.aspp_channels, form.decoder_channels
        rates = rates_at(spec.output_stride, form.rates)
        self.aspp = ASPP(spec.channels[-1], context, rates, block=block, dropout=form.dropout)
        self.deepen = block(context, context) if form.deepened else nn.Identity()
        self.narrow = convolution(spec.channels[self.low_level], form.low_level_channels, 1)
        inputs = [context + form.low_level_channels, *[width] * (form.refinements - 1)]
        self.refine = nn.Sequential(*(block(channels, width) for channels in inputs))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = form.norm_eps

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The refined map at stride 4."""
        low_level = self.narrow(features[self.low_level])
        context = resize(self.deepen(self.aspp(features[-1])), low_level.shape[-2:], self.align_corners)
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
