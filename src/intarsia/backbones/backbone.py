"""From a body to a backbone: trade stride for dilation, say what the maps are, and check that they are so."""

import copy
import warnings
from itertools import cycle, islice

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.body import Body
from intarsia.backbones.dilate import TOLERANCE, dilate
from intarsia.backbones.law import law_deviations
from intarsia.backbones.output_stride import Dilation, Rates
from intarsia.backbones.spec import BackboneSpec
from intarsia.backbones.survey import map_strides
from intarsia.errors import ArgumentError, IntarsiaWarning


class Backbone(nn.Module):
    """A classification network without its classifier: images → feature maps, finest first.

    ``spec`` says what the maps are; ``weights_source`` where the first weights came from. The parameters of ``body``
    have the names that files of weights use.
    """

    def __init__(self, body: nn.Module, spec: BackboneSpec, weights_source: str) -> None:
        super().__init__()
        self.body = body
        self.spec = spec
        self.weights_source = weights_source

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """One map for each entry of ``spec.channels``."""
        return tuple(self.body(images))


def assemble(
    name: str,
    body: Body,
    output_stride: int,
    in_channels: int,
    dilation: Dilation,
    rates: Rates | None,
    weights_source: str,
    *,
    vouched: bool,
) -> Backbone:
    """Dilate the body's network and wrap it. One that is not ``vouched`` for is held against the law, with a warning.

    Raises ``RuntimeError`` or ``AssertionError`` where the network's own code no longer fits together.
    """
    spec = spec_of(name, body, output_stride, in_channels)
    denser = max(body.strides) > output_stride
    own = copy.deepcopy(body.network) if denser and not vouched else None
    if denser or rates:
        dilate(body.network, output_stride, dilation, rates)
    check_maps(body.network, spec)
    if own is not None:
        _warn_outside_the_law(own, body.network, spec)
    return Backbone(body.network, spec, weights_source)


def check_maps(body: nn.Module, spec: BackboneSpec) -> None:
    """The maps that a network computes are those that its spec promises."""
    found, promised = map_strides(body), list(zip(spec.channels, spec.strides, strict=True))
    if found != promised:
        raise ArgumentError(
            f"Backbone `{spec.name}` at output stride {spec.output_stride} gives maps (channels, stride) {found}, "
            f"not {promised}: its stride is carried by something other than Conv2d, MaxPool2d and AvgPool2d. "
            "Use output_stride=32."
        )


def spec_of(name: str, body: Body, output_stride: int, in_channels: int) -> BackboneSpec:
    """What a body's maps are at this output stride, and at most at its own."""
    return BackboneSpec(
        name,
        body.channels,
        tuple(min(stride, output_stride) for stride in body.strides),
        body.nominal_strides,
        tuple(islice(cycle(body.mean), in_channels)),
        tuple(islice(cycle(body.std), in_channels)),
        body.origins,
    )


def _warn_outside_the_law(own: nn.Module, dense: nn.Module, spec: BackboneSpec) -> None:
    """Say so where a network that nobody has tested computes something else on a denser grid."""
    if any(parameter.is_meta for parameter in own.parameters()):
        return
    image = torch.randn(1, spec.in_channels, 128, 96, generator=torch.Generator().manual_seed(0))
    for layer, deviation in law_deviations(own, dense, image).items():
        if not deviation <= TOLERANCE:
            warnings.warn(
                f"Backbone `{spec.name}` at output stride {spec.output_stride} computes another function than at its "
                f"own stride, from layer `{layer}` on (relative difference {deviation:.1e}): something in it looks at "
                "the whole map, as attention and group norm do. Pretrained weights are worth less there.",
                IntarsiaWarning,
                stacklevel=5,
            )
            return
