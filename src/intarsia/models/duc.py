"""Hybrid dilated convolution and dense upsampling convolution (TuSimple)."""

from types import MappingProxyType

from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone
from intarsia.layers.upsampling import DenseUpsamplingConvolution
from intarsia.models.framing import Resized
from intarsia.models.options import Form, Rates
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head

RES4 = (2, 2, 5, 9, *(1, 2, 5, 9) * 4, 1, 2, 5)  # the 23 units of ResNet-101's fourth stage
RES5 = (5, 9, 17)


@dataclass(frozen=True, kw_only=True)
class DUCForm(Form):
    """The authors' setting for ResNet-101 at output stride 8; ``rates`` are those of the upsampling's four branches.

    The paper writes the units of the fourth stage as groups of 1, 2, 5, 9 (section 3.2) and has one convolution where
    the code has four that are summed. ``bigger`` in the paper's table 3 is the fifth stage's 5, 9, 17.
    """

    rates_at_16: Rates = RES4
    rates_at_32: Rates = RES5
    rates: Rates = (6, 12, 18, 24)


FORMS = MappingProxyType({"paper": DUCForm(rates_at_16=(1, 2, 5, 9), rates=(1,)), "tusimple": DUCForm()})


class LastMap(nn.Module):
    """The backbone's last map, as it is."""

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B C H W"]:
        """The map at the backbone's output stride."""
        return features[-1]


def duc(backbone: Backbone, classes: int, form: DUCForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone with rates that leave no holes, and a logit for every pixel from one convolution.

    Wang et al., arXiv:1702.08502, figure 2. Images are padded with zeros to a multiple of the output stride.
    """
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        LastMap(),
        DenseUpsamplingConvolution(spec.channels[-1], classes, spec.output_stride, form.rates),
        frame=Resized(multiple=spec.output_stride),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
