"""BiSeNet."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.backbones import Backbone, BackboneSpec
from intarsia.layers.attention_refinement import AttentionRefinement, FeatureFusion, Gate
from intarsia.layers.convolutions import convolution, pooled_projection
from intarsia.layers.resizing import resize
from intarsia.models.framing import Resized, Size
from intarsia.models.options import Form
from intarsia.models.segmentation_network import SegmentationNetwork

AUXILIARY_WEIGHT = 1.0  # section 3.3, equation 2: α = 1


@dataclass(frozen=True, kw_only=True)
class BiSeNetForm(Form):
    """The paper's choices; the widths that it does not print are those of its authors' code.

    ``spatial_channels`` are those of the spatial path's three strided convolutions; ``spatial_projection``, where it is
    not 0, those of a 1×1 convolution behind them, which both public implementations have and the paper has not.
    ``channels`` is the width of the context path; ``head_channels`` and ``auxiliary_channels`` those of the 3×3
    convolution in each head. ``residual_refinement`` adds the map itself to its attended form in the context path (the
    paper's figure 2b multiplies only); ``residual_fusion=False`` leaves the map out of the fusion's sum, where the
    paper's figure 2c has it. ``gate`` is how the fusion weighs its channels, ``upsampling`` how the context
    path doubles its maps; ``align_corners`` holds for bilinear interpolation everywhere.
    """

    spatial_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 64, 128)
    spatial_projection: NonNegativeInt = 0
    channels: PositiveInt = 128
    head_channels: PositiveInt = 64
    auxiliary_channels: PositiveInt = 128
    residual_refinement: bool = False
    residual_fusion: bool = True
    gate: Gate = "two_convolutions"
    upsampling: Literal["bilinear", "nearest"] = "bilinear"
    align_corners: bool = True


FORMS = MappingProxyType(
    {
        "paper": BiSeNetForm(),
        "torchseg": BiSeNetForm(spatial_channels=(64, 64, 64), spatial_projection=128),
        "coincheung": BiSeNetForm(
            spatial_channels=(64, 64, 64),
            spatial_projection=128,
            head_channels=256,
            auxiliary_channels=64,
            gate="one_normalised",
            upsampling="nearest",
            align_corners=False,
        ),
    }
)


class SpatialPath(nn.Sequential):
    """Three convolutions of stride 2, wide and shallow: detail at an eighth of the image (section 3.1)."""

    def __init__(self, in_channels: int, widths: Sequence[int], projection: int) -> None:
        inputs = (in_channels, *widths[:-1])
        kernels = (7, 3, 3)  # the authors' code
        blocks = [_strided(*block) for block in zip(inputs, widths, kernels, strict=True)]
        super().__init__(*blocks, *([convolution(widths[-1], projection, 1)] if projection else []))
        self.out_channels = projection or widths[-1]


class BiSeNetDecoder(nn.Module):
    """The context path behind its backbone, and the fusion of both paths (arXiv:1808.00897, figure 2a).

    From the mean of the coarsest map down: attention refinement of a map, plus what came from above, upsampled and
    convolved. The convolution is in both public implementations; the paper's figure does not show one.
    """

    def __init__(self, spec: BackboneSpec, spatial_channels: int, form: BiSeNetForm) -> None:
        super().__init__()
        self.stages = [spec.index_of(32), spec.index_of(16)]
        self.upsampling, self.align_corners = form.upsampling, form.align_corners
        widths, width = [spec.channels[i] for i in self.stages], form.channels
        self.tail = pooled_projection(widths[0], width)
        self.refine = nn.ModuleList(
            AttentionRefinement(channels, width, residual=form.residual_refinement) for channels in widths
        )
        self.merge = nn.ModuleList(convolution(width, width, 3) for _ in widths)
        self.fusion = FeatureFusion(spatial_channels + width, 2 * width, gate=form.gate, residual=form.residual_fusion)

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """From the spatial path's map and the backbone's: the fused map, and the context at strides 16 and 8."""
        spatial, *maps = features
        coarse, middle = (maps[i] for i in self.stages)
        context = self.tail(coarse.mean((-2, -1), keepdim=True))
        sides: list[Tensor] = []
        for refine, merge, x, finer in zip(self.refine, self.merge, (coarse, middle), (middle, spatial), strict=True):
            context = merge(self._upsample(refine(x) + context, finer.shape[-2:]))
            sides.append(context)
        return self.fusion(spatial, context), *sides

    def _upsample(self, x: Tensor, size: Size) -> Tensor:
        if self.upsampling == "nearest":
            return F.interpolate(x, (size[0], size[1]), mode="nearest")
        return resize(x, (size[0], size[1]), self.align_corners)


class BiSeNet(SegmentationNetwork):
    """A network of two paths: the decoder gets the spatial path's map before the backbone's."""

    def __init__(
        self, spatial_path: SpatialPath, backbone: Backbone, classes: int, form: BiSeNetForm, auxiliary: bool
    ) -> None:
        heads = [_head(form.channels, form.auxiliary_channels, classes) for _ in range(2)] if auxiliary else []
        super().__init__(
            backbone,
            BiSeNetDecoder(backbone.spec, spatial_path.out_channels, form),
            _head(2 * form.channels, form.head_channels, classes),
            frame=Resized(form.align_corners),
            auxiliary=[(AUXILIARY_WEIGHT, head) for head in heads],
        )
        self.spatial_path = spatial_path

    def features(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """The spatial path's map, then the backbone's."""
        return self.spatial_path(images), *super().features(images)


def bisenet(backbone: Backbone, classes: int, form: BiSeNetForm, auxiliary: bool) -> SegmentationNetwork:
    """Spatial path and context path, fused at an eighth of the image; in training, a head on each context map."""
    path = SpatialPath(backbone.spec.in_channels, form.spatial_channels, form.spatial_projection)
    return BiSeNet(path, backbone, classes, form, auxiliary)


def _strided(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=2, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _head(in_channels: int, channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(convolution(in_channels, channels, 3), nn.Conv2d(channels, classes, 1))
