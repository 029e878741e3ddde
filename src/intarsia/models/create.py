"""A system by name, built."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from intarsia.backbones import create_backbone
from intarsia.backbones.output_stride import OUTPUT_STRIDES
from intarsia.backbones.pretrained import Pretrained
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models.attention import insert_attention
from intarsia.models.blueprint import Blueprint
from intarsia.models.catalog import entry
from intarsia.models.entry import Entry
from intarsia.models.options import replaced
from intarsia.models.refined import refine
from intarsia.models.segmentation_network import SegmentationNetwork


def create_model(
    name: str,
    backbone: str | None = None,
    classes: int | None = None,
    output_stride: int | None = None,
    in_channels: int | None = None,
    pretrained: Pretrained = False,
    backbone_weights: str | Path | None = None,
    form: str = "paper",
    auxiliary: bool = False,
    refiner: str | None = None,
    refiner_options: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> SegmentationNetwork:
    """Build a network: normalised images (B, C, H, W) → float32 logits (B, K, H, W) at the image's own size.

    ``backbone`` and ``output_stride`` default to the system's own. ``pretrained`` and ``backbone_weights`` fill the
    backbone only (:func:`intarsia.create_backbone`). ``form`` names a published variant; ``options`` replace single
    fields of it, e.g. ``rates=(12, 24, 36)``. ``classes`` is 21 unless given; 1 is one logit for a sigmoid, from 2 on
    softmax. With ``auxiliary=True`` the network gives ``Outputs(logits, auxiliary)`` in training mode. ``refiner`` puts
    something behind it that makes better logits of its own and is learned with the rest: "crf" mean field of a dense
    CRF, "spn" and "cspn" propagation and diffusion along learned affinities, which change nothing at first;
    ``refiner_options`` are those of :class:`intarsia.models.crf.CRF`, :class:`intarsia.models.spn.SPN` or
    :class:`intarsia.models.cspn.CSPN`, e.g. ``{"steps": 24}``.

    A network for depth (``list_models("depth")``) takes a fourth channel, of measured depths, and gives one of depths
    (:class:`intarsia.models.depth_completion.DepthNetwork`).

    Raises ``ArgumentError`` for unknown names and impossible combinations.

    >>> import torch
    >>> net = create_model("deeplabv3plus", backbone="test_resnet", classes=5).eval()
    >>> net(torch.randn(1, 3, 65, 97)).shape
    torch.Size([1, 5, 65, 97])
    """
    chosen = entry(name)
    classes = chosen.classes if classes is None else classes
    in_channels = chosen.in_channels if in_channels is None else in_channels
    if chosen.task == "depth" and (classes != 1 or refiner is not None):
        raise ArgumentError(
            f"{name} gives one depth a pixel and is no segmentation network: `classes` (={classes}) must be 1 and "
            f"`refiner` (={refiner!r}) None; `intarsia.list_models()` names those that segment."
        )
    if classes < 1:
        raise ArgumentError(f"`classes` (={classes}) must be at least 1: one logit for a sigmoid, or K for softmax.")
    if auxiliary and not chosen.auxiliary:
        raise ArgumentError(f"{name} has no auxiliary heads, so `auxiliary` (=True) must be False.")
    variant = _form(name, chosen, form, options)
    body = backbone or chosen.backbone
    stride = chosen.output_stride if output_stride is None else output_stride
    if stride not in chosen.output_strides and stride in OUTPUT_STRIDES:
        known = " or ".join(map(str, chosen.output_strides))
        raise ArgumentError(f"`output_stride` (={stride}) of {name} must be {known}.")
    rates = variant.unit_rates(stride)
    features = create_backbone(
        body, stride, in_channels, pretrained, variant.dilation, backbone_weights, rates, variant.deepest
    )
    if features.spec.own_origins is not None and not chosen.origins:
        raise ArgumentError(
            f"The maps of backbone `{body}` do not tile the image, as those that {name} takes must; use another one, "
            f"such as {chosen.backbone}."
        )
    net = chosen.build(features, classes, variant, auxiliary)
    if variant.attention:
        insert_attention(net, variant.attention, variant.attention_after)
    if refiner is not None:
        refine(net, refiner, classes, refiner_options)
    elif refiner_options:
        raise ArgumentError(f'`refiner_options` (={dict(refiner_options)}) need a `refiner`, such as "crf".')
    net.blueprint = Blueprint(
        name, body, classes, stride, in_channels, form, auxiliary, options, refiner, dict(refiner_options)
    )
    return net


def _form(name: str, chosen: Entry, form: str, options: Mapping[str, Any]) -> Any:
    if form not in chosen.forms:
        raise UnknownNameError(f"form of {name}", form, chosen.forms, f"`intarsia models {name}`")
    return replaced(name, chosen.forms[form], options)
