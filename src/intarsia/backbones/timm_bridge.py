"""timm's networks as bodies, always built at their own stride: dilating them is ours to do."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import timm
import torch
from torch import nn

from intarsia.backbones.body import Body
from intarsia.backbones.own import OWN
from intarsia.backbones.pretrained import SCRATCH, Weights, quick_hub
from intarsia.errors import ArgumentError, UnknownNameError

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


def timm_body(name: str, in_channels: int, weights: Weights, deepest: int | None = None) -> Body:
    """Build a timm network at its own stride, up to the map of stride ``deepest``, and load the weights.

    Raises ``LookupError`` when timm's hub has no such weights or cannot be reached.
    """
    network = _create(name, in_channels, weights, _kept(name, deepest))
    strides = tuple(network.feature_info.reduction())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    channels = tuple(network.feature_info.channels())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    config: dict[str, tuple[float, ...]] = network.pretrained_cfg  # pyright: ignore[reportAssignmentType]
    mean = config["mean"] if weights.mean is None else (weights.mean,)
    std = config["std"] if weights.std is None else (weights.std,)
    return Body(network, channels, strides, strides, mean, std)


def _kept(name: str, deepest: int | None) -> dict[str, Any]:
    """What timm is told so that the network ends at that stride."""
    if deepest is None:
        return {}
    with torch.device("meta"):
        strides = _create(name, 3, SCRATCH, {}).feature_info.reduction()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    if deepest not in strides:
        known = " or ".join(map(str, strides))
        raise ArgumentError(f"`deepest` (={deepest}) must be a stride of a map of backbone `{name}`: {known}.")
    return {"out_indices": tuple(i for i, stride in enumerate(strides) if stride <= deepest)}


def _create(name: str, in_channels: int, weights: Weights, kept: Mapping[str, Any]) -> nn.Module:
    if not timm.is_model(name):
        raise UnknownNameError("backbone", name, (*OWN, *timm.list_models()), "`intarsia models --backbones`")
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
                **kept,
            )
    except Exception as error:
        if from_hub:
            raise LookupError(f"timm's weights for `{name}` could not be had: {error}") from error
        raise refusal(name, weights, error) from error
    if overlay is not None:
        _check_complete(name, weights, body)
        body.pretrained_cfg.pop("state_dict", None)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    return body


def refusal(name: str, weights: Weights, error: Exception) -> ArgumentError:
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
