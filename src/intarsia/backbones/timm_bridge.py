"""timm's networks as feature pyramids, always built at their own stride and dilated by us."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.dilate import TOLERANCE, dilate
from intarsia.backbones.law import law_deviations
from intarsia.backbones.output_stride import Dilation
from intarsia.backbones.pretrained import Weights, quick_hub
from intarsia.backbones.spec import BackboneSpec
from intarsia.backbones.survey import PROBE
from intarsia.errors import ArgumentError, IntarsiaWarning, UnknownNameError

TESTED_BACKBONES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet50d",
    "resnext50_32x4d",
    "vgg16",
    "vgg16_bn",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "xception65",
    "regnety_008",
    "densenet121",
    "convnext_tiny",
)


class Backbone(nn.Module):
    """A classification network without its classifier: images → feature maps, finest first.

    ``spec`` says what the maps are; ``weights_source`` where the first weights came from.
    """

    def __init__(self, body: nn.Module, spec: BackboneSpec, weights_source: str) -> None:
        super().__init__()
        self.body = body
        self.spec = spec
        self.weights_source = weights_source

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B _ _ _"], ...]:
        """One map for each entry of ``spec.channels``."""
        return tuple(self.body(images))


def build(name: str, output_stride: int, in_channels: int, dilation: Dilation, weights: Weights) -> Backbone:
    """Build a timm network at its own stride, load the weights, then trade stride for dilation.

    Raises ``LookupError`` when timm's hub has no such weights or cannot be reached.
    """
    body = _create(name, in_channels, weights)
    nominal = tuple(body.feature_info.reduction())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    channels = tuple(body.feature_info.channels())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    strides = tuple(min(stride, output_stride) for stride in nominal)
    mean, std = _normalisation(body, in_channels, weights)
    spec = BackboneSpec(name, channels, strides, nominal, mean, std)
    vouched = name in TESTED_BACKBONES or dilation != "exact" or weights.source == "scratch"  # nothing to keep
    own = None if vouched else copy.deepcopy(body)
    try:
        if max(nominal) > output_stride:
            dilate(body, output_stride, dilation)
        _check(body, spec)
        if own is not None and max(nominal) > output_stride:
            _warn_outside_the_law(own, body, spec)
    except (RuntimeError, AssertionError) as error:  # a network of one fixed size, or maps that no longer fit together
        raise _refusal(name, weights, error) from error
    return Backbone(body, spec, weights.source)


def _create(name: str, in_channels: int, weights: Weights) -> nn.Module:
    if not timm.is_model(name):
        raise UnknownNameError("backbone", name, timm.list_models(), "`intarsia models --backbones`")
    overlay = None if weights.state is None else {"state_dict": weights.state, "num_classes": 1000}
    from_hub = weights.source == "hub"
    try:
        with quick_hub() if from_hub else _quiet():
            body = timm.create_model(
                name,
                features_only=True,
                in_chans=in_channels,
                pretrained=from_hub or overlay is not None,
                pretrained_cfg_overlay=overlay,
            )
    except Exception as error:
        if from_hub:
            raise LookupError(f"timm's weights for `{name}` could not be had: {error}") from error
        raise _refusal(name, weights, error) from error
    if overlay is not None:
        _check_complete(name, weights, body)
        body.pretrained_cfg.pop("state_dict", None)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    return body


def _refusal(name: str, weights: Weights, error: Exception) -> ArgumentError:
    """One sentence instead of a foreign library's traceback."""
    reason = " ".join(str(error).split())[:300]
    if weights.state is not None:
        return ArgumentError(f"The weights of `{weights.source}` do not fit backbone `{name}`: {reason}")
    return ArgumentError(
        f"Backbone `{name}` cannot be built as a pyramid of feature maps ({reason}); "
        "`intarsia models --backbones` lists those that can."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """timm logs the classifier's weights as unexpected; what must be there is checked by us."""
    logger = logging.getLogger("timm.models._builder")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_complete(name: str, weights: Weights, body: nn.Module) -> None:
    """timm loads feature extractors leniently; we do not."""
    given = weights.state or {}
    parts = {key.replace("_", ".") for key in given}  # flattened extractors write layer_0 for layer.0
    missing = [key for key in body.state_dict() if key.replace("_", ".") not in parts]
    if missing:
        raise ArgumentError(
            f"The weights of `{weights.source}` do not fit backbone `{name}`: {len(missing)} tensors are missing, "
            f"the first is `{missing[0]}`."
        )


def _normalisation(body: nn.Module, in_channels: int, weights: Weights) -> tuple[tuple[float, ...], tuple[float, ...]]:
    config: dict[str, tuple[float, ...]] = body.pretrained_cfg  # pyright: ignore[reportAssignmentType]
    mean = config["mean"] if weights.mean is None else (weights.mean,)
    std = config["std"] if weights.std is None else (weights.std,)
    return tuple(islice(cycle(mean), in_channels)), tuple(islice(cycle(std), in_channels))


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
                stacklevel=4,
            )
            return


@torch.no_grad()
def _check(body: nn.Module, spec: BackboneSpec) -> None:
    """The maps that a network computes are those that its spec promises."""
    probe = copy.deepcopy(body).to("meta").eval()
    maps = probe(torch.empty(1, spec.in_channels, PROBE, PROBE, device="meta"))
    found = [(m.shape[1], PROBE // m.shape[-1]) for m in maps if m.ndim == 4]
    if found != list(zip(spec.channels, spec.strides, strict=True)):
        raise ArgumentError(
            f"Backbone `{spec.name}` at output stride {spec.output_stride} gives maps (channels, stride) {found}, "
            f"not {list(zip(spec.channels, spec.strides, strict=True))}: its stride is carried by something other than "
            "Conv2d, MaxPool2d and AvgPool2d. Use output_stride=32."
        )
