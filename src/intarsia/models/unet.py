"""U-Net on any backbone."""

from types import MappingProxyType
from typing import Literal

import torch
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

    ``skip``: the finer map is concatenated, as in the paper, or narrowed by a 1×1 convolution and added.
    ``upsampling``: by repetition, by interpolation, or learned: the paper's 2×2 "up-convolution" to the stage's width.
    Both forms are the modern U-Net on a backbone; ``paper`` ends in the paper's 1×1 convolution.
    """

    widths: tuple[PositiveInt, ...] = (256, 128, 64, 32, 16)
    skip: Literal["concatenate", "add"] = "concatenate"
    upsampling: Literal["nearest", "bilinear", "deconvolution"] = "nearest"
    head_kernel: Literal[1, 3] = 1


FORMS = MappingProxyType({"paper": UNetForm(), "smp": UNetForm(head_kernel=3, dilation="uniform")})


class UNetDecoder(nn.Module):
    """Back to full resolution by factors of two, with a skip from each finer map that the backbone has.

    U-Net, arXiv:1505.04597, section 2, in its modern form: padded convolutions with batch norm. A backbone without a
    map at some stride (ConvNeXt has none at 2) gives no skip there.
    """

    def __init__(self, spec: BackboneSpec, form: UNetForm) -> None:
        super().__init__()
        self.adds = form.skip == "add"
        targets = [spec.nominal_strides[-1] >> step for step in range(1, spec.nominal_strides[-1].bit_length())]
        if len(form.widths) != len(targets):
            raise ArgumentError(
                f"`widths` (={form.widths}) must have {len(targets)} entries, one a halving of the stride."
            )
        self.skips: list[int | None] = []
        self.upsamplings, self.projections, self.stages = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels, stride = spec.channels[-1], spec.output_stride
        for target, width in zip(targets, form.widths, strict=True):
            skip = spec.index_of(target) if target in spec.nominal_strides else None
            finer = min(target, spec.output_stride)
            beside = 0 if skip is None else spec.channels[skip]
            channels = self._add_upsampling(channels, width, stride // finer, form)
            joined = self._add_projection(channels, beside, form)
            self.stages.append(nn.Sequential(convolution(joined, width), convolution(width, width)))
            self.skips.append(skip)
            channels, stride = width, finer

    def _add_upsampling(self, channels: int, width: int, scale: int, form: UNetForm) -> int:
        """One stage's way to the finer grid, and the channels that come out."""
        learned = form.upsampling == "deconvolution" and scale > 1
        if learned:
            self.upsamplings.append(nn.ConvTranspose2d(channels, width, scale, stride=scale))
        elif scale > 1:
            self.upsamplings.append(nn.Upsample(scale_factor=scale, mode=form.upsampling))
        else:
            self.upsamplings.append(nn.Identity())
        return width if learned else channels

    def _add_projection(self, channels: int, beside: int, form: UNetForm) -> int:
        """What makes a skip fit to be added, and the channels of both together."""
        added = form.skip == "add" and beside > 0
        self.projections.append(nn.Conv2d(beside, channels, 1) if added else nn.Identity())
        return channels if added else channels + beside

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """Upsample, join, convolve, stage by stage."""
        x = features[-1]
        steps = zip(self.upsamplings, self.projections, self.stages, self.skips, strict=True)
        for upsampling, projection, stage, skip in steps:
            x = upsampling(x)
            if skip is not None:
                beside = projection(features[skip])
                x = x + beside if self.adds else torch.cat([x, beside], dim=1)
            x = stage(x)
        return x


def unet(backbone: Backbone, classes: int, form: UNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Encoder, decoder with skips, one convolution to the classes."""
    spec = backbone.spec
    return SegmentationNetwork(
        backbone,
        UNetDecoder(spec, form),
        nn.Conv2d(form.widths[-1], classes, form.head_kernel, padding=form.head_kernel // 2),
        frame=Resized(multiple=spec.nominal_strides[-1]),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
