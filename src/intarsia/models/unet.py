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
from intarsia.layers.upsampling import ResizeConvolution
from intarsia.models.framing import Resized
from intarsia.models.options import Form
from intarsia.models.segmentation_network import SegmentationNetwork, stage_head


@dataclass(frozen=True, kw_only=True)
class UNetForm(Form):
    """``widths`` of the decoder's stages, coarsest first; ``head_kernel`` of the last convolution.

    ``skip``: the finer map is concatenated, as in the paper, or narrowed by a 1×1 convolution and added.
    ``upsampling``: by repetition, by interpolation, or learned: the paper's "up-convolution" to the stage's width, or
    repetition and a 3×3 convolution in its place (:class:`~intarsia.layers.upsampling.ResizeConvolution`).
    ``up_kernel`` is that of the up-convolution, 2 in the paper; 3, which its stride does not divide, is the
    checkerboard's usual cause (:mod:`intarsia.layers.upsampling`).
    ``padded`` images have sides that the backbone's stride divides, so that maps double exactly; otherwise each map is
    brought to the size of the next finer one.
    Both forms are the modern U-Net on a backbone; ``paper`` ends in the paper's 1×1 convolution.
    """

    widths: tuple[PositiveInt, ...] = (256, 128, 64, 32, 16)
    skip: Literal["concatenate", "add"] = "concatenate"
    upsampling: Literal["nearest", "bilinear", "deconvolution", "resize_convolution"] = "nearest"
    up_kernel: Literal[2, 3, 4] = 2
    head_kernel: Literal[1, 3] = 1
    padded: bool = True


FORMS = MappingProxyType({"paper": UNetForm(), "smp": UNetForm(head_kernel=3, padded=False, dilation="uniform")})


def _up_convolution(channels: int, width: int, kernel: int) -> nn.ConvTranspose2d:
    """Exactly twice as large; of what a kernel above 2 gives too much, half goes at the beginning."""
    padding = (kernel - 1) // 2
    return nn.ConvTranspose2d(channels, width, kernel, 2, padding, output_padding=2 * padding + 2 - kernel)


LEARNED = {
    "deconvolution": _up_convolution,
    "resize_convolution": lambda channels, width, _kernel: ResizeConvolution(channels, width, 2),
}


class UNetDecoder(nn.Module):
    """Back to full resolution by factors of two, with a skip from each finer map that the backbone has.

    U-Net, arXiv:1505.04597, section 2, in its modern form: padded convolutions with batch norm. A backbone without a
    map at some stride (ConvNeXt has none at 2) gives no skip there. Each map takes the size of its skip and the last
    one the image's: just ``scales`` times its own, unless a side of the finer map was odd.
    """

    def __init__(self, spec: BackboneSpec, form: UNetForm) -> None:
        super().__init__()
        self.adds = form.skip == "add"
        self.mode = "bilinear" if form.upsampling == "bilinear" else "nearest"
        targets = [spec.nominal_strides[-1] >> step for step in range(1, spec.nominal_strides[-1].bit_length())]
        if len(form.widths) != len(targets):
            raise ArgumentError(
                f"`widths` (={form.widths}) must have {len(targets)} entries, one a halving of the stride."
            )
        self.skips: list[int | None] = []
        self.scales: list[int] = []
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
            self.scales.append(stride // finer)
            channels, stride = width, finer

    def _add_upsampling(self, channels: int, width: int, scale: int, form: UNetForm) -> int:
        """What a stage learns of its way to the finer grid, and the channels that come out."""
        learned = form.upsampling in LEARNED and scale > 1
        self.upsamplings.append(LEARNED[form.upsampling](channels, width, form.up_kernel) if learned else nn.Identity())
        return width if learned else channels

    def _add_projection(self, channels: int, beside: int, form: UNetForm) -> int:
        """What makes a skip fit to be added, and the channels of both together."""
        added = form.skip == "add" and beside > 0
        self.projections.append(nn.Conv2d(beside, channels, 1) if added else nn.Identity())
        return channels if added else channels + beside

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """Upsample, join, convolve, stage by stage; from the image and the backbone's maps."""
        image, *maps = features
        x = maps[-1]
        for stage, parts in enumerate(zip(self.upsamplings, self.projections, self.stages, strict=True)):
            upsampling, projection, convolutions = parts
            skip = self.skips[stage]
            size = self._size(stage, x, image, maps)
            x = self._resized(upsampling(x), size)
            if skip is not None:
                beside = projection(maps[skip])
                x = x + beside if self.adds else torch.cat([x, beside], dim=1)
            x = convolutions(x)
        return x

    def _size(self, stage: int, x: Tensor, image: Tensor, maps: list[Tensor]) -> tuple[int, int]:
        """Rows and columns behind a stage's upsampling: its skip's, the image's behind the last, or a multiple."""
        skip, scale = self.skips[stage], self.scales[stage]
        finer = maps[skip] if skip is not None else image if stage == len(self.skips) - 1 else None
        return (scale * x.shape[-2], scale * x.shape[-1]) if finer is None else (finer.shape[-2], finer.shape[-1])

    def _resized(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """At that size; of what a deconvolution gives too much the last samples go."""
        return x if x.shape[-2:] == size else F.interpolate(x, size, mode=self.mode)


class UNet(SegmentationNetwork):
    """The decoder gets the image before the backbone's maps: its last map is to be as large."""

    def features(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """The image, then the backbone's maps."""
        return images, *super().features(images)


def unet(backbone: Backbone, classes: int, form: UNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Encoder, decoder with skips, one convolution to the classes."""
    spec = backbone.spec
    return UNet(
        backbone,
        UNetDecoder(spec, form),
        nn.Conv2d(form.widths[-1], classes, form.head_kernel, padding=form.head_kernel // 2),
        frame=Resized(multiple=spec.nominal_strides[-1] if form.padded else 1),
        auxiliary=stage_head(spec, classes) if auxiliary else (),
    )
