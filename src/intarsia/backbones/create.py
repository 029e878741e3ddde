"""Backbones by name."""

from pathlib import Path

from intarsia.backbones.backbone import Backbone, assemble
from intarsia.backbones.output_stride import Dilation, Rates, check_dilation, check_output_stride
from intarsia.backbones.own import OWN, own_body
from intarsia.backbones.pretrained import Pretrained, Weights, candidates
from intarsia.backbones.timm_bridge import TESTED_BACKBONES, refusal, timm_body
from intarsia.errors import ArgumentError


def list_backbones() -> tuple[str, ...]:
    """The backbones whose à-trous law is tested: timm's first, then our own.

    Any other convolutional network of timm can be asked for by name.

    >>> "resnet50" in list_backbones(), "drn_c_26" in list_backbones()
    (True, True)
    """
    return (*TESTED_BACKBONES, *(name for name in OWN if not name.startswith("test_")))


def create_backbone(
    name: str,
    output_stride: int = 32,
    in_channels: int = 3,
    pretrained: Pretrained = False,
    dilation: Dilation = "exact",
    weights: str | Path | None = None,
    rates: Rates | None = None,
    deepest: int | None = None,
) -> Backbone:
    """A network as a feature pyramid of at most this output stride: images (B, C, H, W) → maps, finest first.

    A network whose own stride is smaller (DRN has 8, DetNet 16) keeps its own.

    ``pretrained``: ``True`` takes timm's weights from the hub, ``"offline"`` those of an installed package,
    ``"auto"`` hub, else offline, else none with one warning. ``weights`` is a file of one's own in timm's names,
    or in the network's own where timm has it not.
    With other than three channels the pretrained stem is adapted by timm's rule: its filters are summed for one
    channel, and repeated in turn and scaled by 3 / channels for more.

    ``dilation="exact"`` obeys the à-trous law (:mod:`intarsia.backbones.output_stride`); ``"uniform"`` dilates a
    stage's first unit too, for weights that were trained so, and stands outside the law. So does ``rates``, which gives
    the units of a stage, named by the nominal stride of its map, dilation rates to take in turn: DeepLab v3's
    multi-grid at output stride 8 is ``{32: (4, 8, 16)}`` (:func:`intarsia.backbones.output_stride.plan`).

    ``deepest`` cuts a network of timm behind the stages of that nominal stride: a pyramid that ends there, and none of
    the parameters beyond.

    With weights, a network outside :func:`list_backbones` is held against the law; a warning says where it leaves it.

    Raises ``ArgumentError`` for an unknown name, output stride or dilation, for weights that do not fit, and for a cut
    at a stride that no map has.

    >>> backbone = create_backbone("resnet18", output_stride=8)
    >>> backbone.spec.channels, backbone.spec.strides
    ((64, 64, 128, 256, 512), (2, 4, 8, 8, 8))
    """
    check_output_stride(output_stride)
    check_dilation(dilation)
    if in_channels < 1:
        raise ArgumentError(f"`in_channels` (={in_channels}) must be at least 1.")
    failure: LookupError | None = None
    for choice in candidates(name, pretrained, weights):
        try:
            return _build(name, output_stride, in_channels, dilation, rates, deepest, choice)
        except LookupError as error:
            failure = error
    raise ArgumentError(f"{failure} Use pretrained='auto', 'offline' or False, or give a file as `weights`.")


def _build(
    name: str,
    output_stride: int,
    in_channels: int,
    dilation: Dilation,
    rates: Rates | None,
    deepest: int | None,
    weights: Weights,
) -> Backbone:
    if name in OWN and deepest is not None:
        raise ArgumentError(f"Backbone `{name}` cannot be cut at stride {deepest}; only those of timm can.")
    body = own_body(name, in_channels, weights) if name in OWN else timm_body(name, in_channels, weights, deepest)
    untouched = dilation == "exact" and not rates and weights.source != "scratch"  # else there is nothing to keep
    vouched = name in list_backbones() or not untouched
    try:
        return assemble(name, body, output_stride, in_channels, dilation, rates, weights.source, vouched=vouched)
    except (RuntimeError, AssertionError) as error:  # a network of one fixed size, or maps that no longer fit together
        raise refusal(name, weights, error) from error
