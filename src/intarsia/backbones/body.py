"""What every source of backbones hands over: a network that gives maps, and what is known of it before any dilation."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from intarsia.backbones.pretrained import Weights
from intarsia.errors import ArgumentError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB, for images in [0, 1]


@dataclass(frozen=True)
class Body:
    """A network from images to maps, finest first, at its own stride.

    ``strides`` are those of its maps as published. ``nominal_strides`` are those that the maps would have had if
    nothing had been dilated by design: they tell a decoder which stage of a ResNet a map stands for. ``origins`` are
    explained at :class:`intarsia.backbones.BackboneSpec`.
    """

    network: nn.Module
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    nominal_strides: tuple[int, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    origins: tuple[float, ...] | None = None
    classifier: Callable[[int, int], nn.Linear | nn.Conv2d] = nn.Linear  # of channels and classes


def initialise(network: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out (He et al., arXiv:1502.01852, section 2.2, backward case)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def load(name: str, network: nn.Module, weights: Weights) -> None:
    """Fill one of our own networks from a file in its own names; a classifier in the file is left aside.

    A stem for another number of channels is adapted as timm does. Raises ``ArgumentError`` for what is missing or has
    another shape.
    """
    given, wanted = weights.state or {}, network.state_dict()
    given = {**{key: wanted[key] for key in wanted if key.endswith("num_batches_tracked")}, **given}  # old files: none
    missing = [key for key in wanted if key not in given]
    if missing:
        raise _misfit(weights, name, f"{len(missing)} tensors are missing, the first is `{missing[0]}`")
    fitted = {key: _adapted(given[key], tensor) for key, tensor in wanted.items()}
    for key, tensor in fitted.items():
        if tensor.shape != wanted[key].shape:
            raise _misfit(weights, name, f"`{key}` is {tuple(tensor.shape)} and should be {tuple(wanted[key].shape)}")
    network.load_state_dict(fitted)


def _adapted(given: Tensor, wanted: Tensor) -> Tensor:
    """The first convolution for other than three channels."""
    stem = given.ndim == wanted.ndim == 4 and given.shape[1] == 3 != wanted.shape[1]
    return torch.as_tensor(adapt_input_conv(wanted.shape[1], given)) if stem else given


def _misfit(weights: Weights, name: str, what: str) -> ArgumentError:
    return ArgumentError(
        f"The weights of `{weights.source}` do not fit backbone `{name}`: {what}. Give a file in this network's names."
    )
