"""DeepLab v3."""

from types import MappingProxyType

from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.layers.aspp import ASPP
from intarsia.layers.convolutions import convolution
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability, Rates, rates_at
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class DeepLabV3Form(Form):
    """The paper's choices: the multi-grid (1, 2, 4) and the rates 6, 12, 18 of output stride 16, doubled at 8.

    ``rates=(6, 12, 18, 24)`` adds the branch that the paper tries and abandons (section 4.2, table 5), and
    ``image_pooling=False`` leaves out the mean of the image; without rates the 1×1 branch is left. ``refined`` puts
    a 3×3 convolution between pyramid and classifier. The multi-grid is that of the last stage's three units; of too
    many rates the first are taken. Dropout is not in the paper; 0.1 is what the authors' code has.
    """

    multi_grid: Rates = (1, 2, 4)  # section 4.1.2, table 3: the best of those tried with three units
    rates: Rates = (6, 12, 18)
    image_pooling: bool = True
    channels: PositiveInt = 256
    refined: bool = False
    dropout: Probability = 0.1
    align_corners: bool = True


FORMS = MappingProxyType(
    {
        "paper": DeepLabV3Form(),
        "torchvision": DeepLabV3Form(multi_grid=(), refined=True, dropout=0.5, align_corners=False),
        "smp": DeepLabV3Form(multi_grid=(), refined=True, dropout=0.5, dilation="uniform"),
    }
)


class DeepLabV3Decoder(nn.Module):
    """Atrous spatial pyramid pooling on the last map (arXiv:1706.05587, section 3.3 and figure 5)."""

    def __init__(self, spec: BackboneSpec, form: DeepLabV3Form) -> None:
        super().__init__()
        rates = rates_at(spec.output_stride, form.rates)
        self.aspp = ASPP(
            spec.channels[-1],
            form.channels,
            rates,
            block=convolution,
            dropout=form.dropout,
            image_pooling=form.image_pooling,
        )
        self.refine = convolution(form.channels, form.channels) if form.refined else nn.Identity()

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The pyramid's map at the backbone's output stride."""
        return self.refine(self.aspp(features[-1]))


def deeplab_v3(backbone: Backbone, classes: int, form: DeepLabV3Form, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, ASPP, 1×1 classifier, bilinear upsampling."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        DeepLabV3Decoder(spec, form),
        nn.Conv2d(form.channels, classes, 1),
        frame=Resized(form.align_corners),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
