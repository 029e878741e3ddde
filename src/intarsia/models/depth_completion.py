"""CSPN's depth completion: an image and a few measured depths → a dense map of depths, on any ResNet-like backbone."""

from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import NonNegativeInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from intarsia.affinity import convolutional_propagation
from intarsia.backbones import Backbone, BackboneSpec
from intarsia.errors import ArgumentError
from intarsia.layers.filling import pull_push
from intarsia.layers.up_projection import UpConvolution, UpProjection
from intarsia.models.options import Form
from intarsia.models.segmentation_network import SegmentationNetwork

STRIDES = (16, 8, 4, 2)  # of the maps that the decoder climbs through
UNUSED = ("unused.",)  # where the published network's layers stand that nothing reads


@dataclass(frozen=True, kw_only=True)
class CSPNDepthForm(Form):
    """How depths are propagated, and where the published network differs from its paper.

    ``steps``, ``kernel_size``, ``norm``, ``centre``, ``layout`` and ``measured`` are those of
    :func:`intarsia.affinity.convolutional_propagation`; with ``steps=0`` there is no propagation and no guidance.
    ``stem_skip``: the stem's map joins the decoder behind its ReLU, or as its convolution left it, before batch norm,
    which needs timm's ResNet. ``unused`` adds the layers that the published network has and never calls, so that its
    files fit: four up-projections and a convolution, 37,956,352 parameters with ResNet-50.

    Form ``paper`` keeps measured depths (ECCV paper, section 3.3), reads affinities at the pixel itself (equation 1)
    and lets the pixel's own weight multiply the first map, as the journal paper and the code do. Form ``xinjcheng`` is
    the authors' code.

    ``first`` is the map that is propagated. "learned": the head's, as in the paper. "filled", ours: the measurements,
    filled by :func:`intarsia.layers.filling.pull_push`, plus the head's map, which is zero at first. The network then
    sees the filled map instead of the measurements, and this and the head's map count in mean measurements, so that a
    scene of k times the depth comes out k times as deep. Form ``filled`` has this and is the paper's otherwise.
    """

    steps: NonNegativeInt = 24
    kernel_size: Literal[3, 5, 7] = 3
    norm: Literal["8sum", "8sum_abs"] = "8sum"
    centre: Literal["initial", "current"] = "initial"
    layout: Literal["shifted", "centred"] = "centred"
    measured: Literal["kept", "replaced", "blended"] = "replaced"
    first: Literal["learned", "filled"] = "learned"
    stem_skip: Literal["activated", "convolved"] = "activated"
    unused: bool = False


FORMS = MappingProxyType(
    {
        "paper": CSPNDepthForm(),
        "filled": CSPNDepthForm(first="filled"),
        "xinjcheng": CSPNDepthForm(layout="shifted", measured="kept", stem_skip="convolved", unused=True),
    }
)


class CSPNDepthDecoder(nn.Module):
    """From the last map back to stride 2 by up-projections, the last three of which join the backbone's finer maps.

    Cheng et al., arXiv:1808.00150, as their published code has it. Each stage has the channels of the backbone's map of
    its stride, and takes its size, so that any image fits; the published code knows 228 × 304 only. The map at stride
    16 gives its size alone.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.maps = [spec.index_of(stride) for stride in STRIDES]
        widths, coarsest = [spec.channels[i] for i in self.maps], spec.channels[-1]
        self.project = nn.Sequential(  # without ReLU, as published
            nn.Conv2d(coarsest, coarsest, 3, padding=1, bias=False), nn.BatchNorm2d(coarsest)
        )
        inputs, beside = (coarsest, *widths[:-1]), (0, *widths[1:])
        self.stages = nn.ModuleList(
            UpProjection(channels, width, skip) for channels, width, skip in zip(inputs, widths, beside, strict=True)
        )
        self.out_channels = widths[-1]

    def forward(self, features: tuple[Float[Tensor, "B _ _ _"], ...]) -> Float[Tensor, "B D H W"]:
        """The map at stride 2."""
        x = self.project(features[-1])
        for stage, finer in zip(self.stages, (features[i] for i in self.maps), strict=True):
            x = stage(x, finer.shape[-2:], finer)
        return x


class Beginning(NamedTuple):
    """What a filled first map takes from all of an image: the filled measurements, and their mean."""

    start: Float[Tensor, "B 1 H W"]
    unit: Float[Tensor, "B 1 1 1"]


class DepthNetwork(SegmentationNetwork):
    """Normalised images with a last channel of measured depths (B, C + 1, H, W) → depths (B, 1, H, W), for any H and W.

    Depths are in metres, or whatever the measurements are in; zero means that nothing was measured. What is predicted
    is not kept above zero. A form that begins with a filled map is exported for one height and width only: see
    :func:`intarsia.layers.filling.pull_push`. ``reach`` and ``floats`` are the propagation's, as those of a
    :class:`intarsia.models.refiner.Refiner`.
    """

    def __init__(self, backbone: Backbone, form: CSPNDepthForm) -> None:
        decoder = CSPNDepthDecoder(backbone.spec)
        head = UpConvolution(decoder.out_channels, 1, kernel=3)
        if form.first == "filled":
            nn.init.zeros_(head.transposed.weight)  # what is not learned yet does not spoil a sensible map
        super().__init__(backbone, decoder, head)
        neighbours = form.kernel_size**2 - 1
        self.guide = UpConvolution(decoder.out_channels, neighbours, kernel=3) if form.steps else None
        self.form = form
        self.reach = form.steps * (form.kernel_size // 2)
        self.floats = 3 * form.kernel_size**2 + 2 if form.steps else 0

    def beginning(self, measured: Float[Tensor, "B 1 H W"]) -> Beginning | None:
        """What a part of the image cannot know by itself; None where the first map is learned."""
        measured = _exact(measured)
        return Beginning(pull_push(measured), _mean_measured(measured)) if self.form.first == "filled" else None

    def forward(self, images: Float[Tensor, "B C H W"], beginning: Beginning | None = None) -> Float[Tensor, "B 1 H W"]:
        """Depths, propagated.

        If the images are parts of larger ones, ``beginning`` is that of these, its ``start`` cut like them.
        """
        form, size, measured = self.form, images.shape[-2:], _exact(images[:, -1:])
        begun = self.beginning(measured) if beginning is None else beginning
        if begun is not None:
            images = torch.cat([images[:, :-1], (begun.start / begun.unit - 1).to(images.dtype)], dim=1)
        decoded = self.decoder(self.features(images))
        depth = _exact(self.head(decoded, size))
        if begun is not None:
            depth = begun.start + begun.unit * depth
        if self.guide is None:
            return depth
        return convolutional_propagation(
            depth,
            _exact(self.guide(decoded, size)),
            form.steps,
            form.kernel_size,
            norm=form.norm,
            centre=form.centre,
            layout=form.layout,
            sparse=measured.to(depth.dtype),
            measured=form.measured,
        )


def _mean_measured(measured: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 1 1"]:
    """Of each image; 1 where nothing was measured."""
    count = (measured != 0).sum((2, 3), keepdim=True)
    return torch.where(count > 0, measured.sum((2, 3), keepdim=True) / count.clamp_min(1), 1)


def _exact(maps: Tensor) -> Tensor:
    return maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps


def cspn_depth(backbone: Backbone, classes: int, form: CSPNDepthForm, auxiliary: bool) -> DepthNetwork:
    """Encoder of image and measurements, up-projections, two heads, propagation of one by the other."""
    spec = backbone.spec
    if spec.in_channels < 2:
        raise ArgumentError(
            f"`in_channels` (={spec.in_channels}) of cspn_depth must be at least 2: those of the image and the depth."
        )
    backbone.spec = replace(spec, mean=(*spec.mean[:-1], 0.0), std=(*spec.std[:-1], 1.0))  # depths stay in metres
    if form.stem_skip == "convolved":
        _skip_before_norm(backbone)
    net = DepthNetwork(backbone, form)
    if form.unused:
        net.unused = _never_called(spec)
    return net


def _skip_before_norm(backbone: Backbone) -> None:
    """The first map becomes what the stem's convolution gives."""
    layers = getattr(backbone.body, "return_layers", {})
    if layers.get("act1") != "0":
        raise ArgumentError(
            f'`stem_skip` (="convolved") needs a ResNet of timm, whose stem is one convolution, and not '
            f'`{backbone.spec.name}`; use stem_skip="activated".'
        )
    setattr(backbone.body, "return_layers", {"conv1" if n == "act1" else n: i for n, i in layers.items()})  # noqa: B010


def _never_called(spec: BackboneSpec) -> nn.ModuleDict:
    """What the published module holds beside its network: a decoder without skips, and its head."""
    widths = [spec.channels[spec.index_of(16)] >> halvings for halvings in range(5)]
    conv = nn.Conv2d(128, 1, 3, padding=1, bias=False)
    return nn.ModuleDict({"stages": nn.ModuleList(UpProjection(*pair) for pair in pairwise(widths)), "head": conv})
