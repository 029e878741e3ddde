"""PSPNet."""

from types import MappingProxyType
from typing import Literal

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
    """The paper's choices; dropout and ``align_corners`` are those of its authors' code.

    ``bins`` may be any. ``fusing_kernel`` is that of the convolution behind the pyramid, ``head_kernel`` that of the
    classifier. ``plain_mean`` reduces the mean of the whole map with a bias instead of a batch norm.
    """

    bins: tuple[PositiveInt, ...] = (1, 2, 3, 6)
    channels: PositiveInt = 512
    fusing_kernel: Literal[1, 3] = 3
    head_kernel: Literal[1, 3] = 1
    plain_mean: bool = False
    dropout: Probability = 0.1
    align_corners: bool = True


FORMS = MappingProxyType(
    {
        "paper": PSPNetForm(),
        "semseg": PSPNetForm(dilation="uniform"),
        "smp": PSPNetForm(fusing_kernel=1, head_kernel=3, plain_mean=True, dropout=0.2, deepest=8),
    }
)


class PSPNetDecoder(nn.Module):
    """Pyramid pooling on the last map, fused by one convolution (arXiv:1612.01105, figure 3)."""

    def __init__(self, spec: BackboneSpec, form: PSPNetForm) -> None:
        super().__init__()
        self.pooling = PyramidPooling(spec.channels[-1], form.bins, align_corners=form.align_corners)
        if form.plain_mean:
            for level in (i for i, bins in enumerate(form.bins) if bins == 1):
                reduced = nn.Conv2d(spec.channels[-1], spec.channels[-1] // len(form.bins), 1)
                self.pooling.levels[level] = nn.Sequential(reduced, nn.ReLU(inplace=True))
        self.fuse = convolution(self.pooling.out_channels, form.channels, form.fusing_kernel)
        self.dropout = nn.Dropout2d(form.dropout)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The fused map at the backbone's output stride."""
        return self.dropout(self.fuse(self.pooling(features[-1])))


def pspnet(backbone: Backbone, classes: int, form: PSPNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Dilated backbone, pyramid pooling, classifier; the auxiliary head sits on the fourth stage."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        PSPNetDecoder(spec, form),
        nn.Conv2d(form.channels, classes, form.head_kernel, padding=form.head_kernel // 2),
        frame=Resized(form.align_corners),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
