"""Backbones by name."""

from collections.abc import Mapping
from pathlib import Path

from intarsia.backbones import timm_bridge
from intarsia.backbones.output_stride import Dilation, check_dilation, check_output_stride
from intarsia.backbones.pretrained import Pretrained, candidates
from intarsia.backbones.timm_bridge import TESTED_BACKBONES, Backbone
from intarsia.errors import ArgumentError


def list_backbones() -> tuple[str, ...]:
    """The backbones whose à-trous law is tested. Any other convolutional network of timm can be asked for by name.

    >>> "resnet50" in list_backbones()
    True
    """
    return TESTED_BACKBONES


def create_backbone(
    name: str,
    output_stride: int = 32,
    in_channels: int = 3,
    pretrained: Pretrained = False,
    dilation: Dilation = "exact",
    weights: str | Path | None = None,
    rates: Mapping[int, tuple[int, ...]] | None = None,
) -> Backbone:
    """A timm network as a feature pyramid at any output stride: images (B, C, H, W) → maps, finest first.

    ``pretrained``: ``True`` takes timm's weights from the hub, ``"offline"`` those of an installed package,
    ``"auto"`` hub, else offline, else none with one warning. ``weights`` is a file of one's own in timm's names.
    With other than three channels the pretrained stem is adapted by timm's rule: its filters are summed for one
    channel, and repeated in turn and scaled by 3 / channels for more.

    ``dilation="exact"`` obeys the à-trous law (:mod:`intarsia.backbones.output_stride`); ``"uniform"`` dilates a
    stage's first unit too, for weights that were trained so, and stands outside the law.

    With weights, a network outside :func:`list_backbones` is held against the law; a warning says where it leaves it.

    Raises ``ArgumentError`` for an unknown name, output stride or dilation, and for weights that do not fit.

    >>> backbone = create_backbone("resnet18", output_stride=8)
    >>> backbone.spec.channels, backbone.spec.strides
    ((64, 64, 128, 256, 512), (2, 4, 8, 8, 8))
    """
    check_output_stride(output_stride)
    check_dilation(dilation)
    if rates:
        raise ArgumentError("`rates` are not there yet.")
    if in_channels < 1:
        raise ArgumentError(f"`in_channels` (={in_channels}) must be at least 1.")
    failure: LookupError | None = None
    for choice in candidates(name, pretrained, weights):
        try:
            return timm_bridge.build(name, output_stride, in_channels, dilation, choice)
        except LookupError as error:
            failure = error
    raise ArgumentError(f"{failure} Use pretrained='auto', 'offline' or False.")
