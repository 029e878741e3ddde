"""PSPNet."""

from types import MappingProxyType

from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.layers.convolutions import convolution
from intarsia.layers.pyramid_pooling import PyramidPooling
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Probability
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class PSPNetForm(Form):
    """The paper's choices."""

    bins: tuple[PositiveInt, ...] = (1, 2, 3, 6)
    channels: PositiveInt = 512
    dropout: Probability = 0.1
    align_corners: bool = True


FORMS = MappingProxyType({"paper": PSPNetForm()})


class PSPNetDecoder(nn.Module):
    """Pyramid pooling on the last map, fused by one 3×3 convolution (arXiv:1612.01105, figure 3)."""

    def __init__(self, spec: BackboneSpec, form: PSPNetForm) -> None:
        super().__init__()
        self.pooling = PyramidPooling(spec.channels[-1], form.bins, align_corners=form.align_corners)
        self.fuse = convolution(self.pooling.out_channels, form.channels, 3)
        self.dropout = nn.Dropout2d(form.dropout)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The fused map at the backbone's output stride."""
        return self.dropout(self.fuse(self.pooling(features[-1])))


def pspnet(backbone: Backbone, classes: int, form: PSPNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, pyramid pooling, 1×1 classifier; the auxiliary head sits on the fourth stage."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        PSPNetDecoder(spec, form),
        nn.Conv2d(form.channels, classes, 1),
        frame=Resized(form.align_corners),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
