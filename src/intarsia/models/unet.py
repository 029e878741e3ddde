"""U-Net on any backbone."""

from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.convolutions import convolution
from intarsia.models.framing import Resized
from intarsia.models.options import Form
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class UNetForm(Form):
    """``widths`` of the decoder's stages, coarsest first; ``head_kernel`` of the last convolution.

    Both forms are the modern U-Net on a backbone; ``paper`` ends in the paper's 1×1 convolution.
    """

    widths: tuple[PositiveInt, ...] = (256, 128, 64, 32, 16)
    head_kernel: Literal[1, 3] = 1


FORMS = MappingProxyType({"paper": UNetForm(), "smp": UNetForm(head_kernel=3, dilation="uniform")})


class UNetDecoder(nn.Module):
    """Back to full resolution by factors of two, with a skip from each finer map that the backbone has.

    U-Net, arXiv:1505.04597, section 2, in its modern form: padded convolutions with batch norm, nearest-neighbour
    upsampling. A backbone without a map at some stride (ConvNeXt has none at 2) gives no skip there.
    """

    def __init__(self, spec: BackboneSpec, widths: tuple[int, ...]) -> None:
        super().__init__()
        targets = [spec.nominal_strides[-1] >> step for step in range(1, spec.nominal_strides[-1].bit_length())]
        if len(widths) != len(targets):
            raise ArgumentError(f"`widths` (={widths}) must have {len(targets)} entries, one a halving of the stride.")
        self.skips: list[int | None] = []
        self.scales: list[int] = []
        stages: list[nn.Module] = []
        channels, stride = spec.channels[-1], spec.output_stride
        for target, width in zip(targets, widths, strict=True):
            skip = spec.index_of(target) if target in spec.nominal_strides else None
            finer = min(target, spec.output_stride)
            joined = channels + (0 if skip is None else spec.channels[skip])
            stages.append(nn.Sequential(convolution(joined, width), convolution(width, width)))
            self.skips.append(skip)
            self.scales.append(stride // finer)
            channels, stride = width, finer
        self.stages = nn.ModuleList(stages)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """Upsample, join, convolve, stage by stage."""
        x = features[-1]
        for stage, skip, scale in zip(self.stages, self.skips, self.scales, strict=True):
            if scale > 1:
                x = F.interpolate(x, scale_factor=scale, mode="nearest")
            x = stage(x if skip is None else torch.cat([x, features[skip]], dim=1))
        return x


def unet(backbone: Backbone, classes: int, form: UNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Encoder, decoder with skips, one convolution to the classes."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        UNetDecoder(spec, form.widths),
        nn.Conv2d(form.widths[-1], classes, form.head_kernel, padding=form.head_kernel // 2),
        frame=Resized(multiple=spec.nominal_strides[-1]),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
