"""Carrying out a plan: layers are replaced by dilated ones that keep the very same parameters."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from intarsia.backbones.law import law_deviations
from intarsia.backbones.output_stride import Dilation, Placement, Rates, check_output_stride, plan
from intarsia.backbones.survey import coarsest, input_channels, survey
from intarsia.errors import ArgumentError, IntarsiaError
from intarsia.layers.dilated import DilatedAvgPool2d, DilatedConv2d, DilatedMaxPool2d
from intarsia.layers.padding import Sides

Net = TypeVar("Net", bound=nn.Module)

TOLERANCE = 1e-9  # relative, in float64; a network that breaks the law misses it by 1e-2 and more


def dilate(net: Net, output_stride: int, dilation: Dilation = "exact", rates: Rates | None = None) -> Net:
    """Plan and carry out on ``net`` itself; its parameters and their names stay as they are."""
    check_output_stride(output_stride)
    for placement in plan(survey(net), output_stride, dilation, rates):
        layer = net.get_submodule(placement.name)
        replacement = _replacement(layer, placement)
        for name in [name for name, module in net.named_modules(remove_duplicate=False) if module is layer]:
            parent_name, _, child_name = name.rpartition(".")
            setattr(net.get_submodule(parent_name), child_name, replacement)
    return net


def with_output_stride(net: Net, output_stride: int) -> Net:
    """A copy of ``net`` with the same weights and the same function on a denser grid.

    Works for any network whose stride is carried by ``Conv2d``, ``MaxPool2d`` and ``AvgPool2d`` modules, each called
    once. The à-trous law (:mod:`intarsia.backbones.output_stride`) is checked on a random image, layer by layer, in
    float64 with squeeze-and-excitation gates held fixed; a network that breaks it is refused with the layer's name.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, 8, 1), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1)).eval()
    >>> dense = with_output_stride(net, 8)
    >>> image = torch.randn(1, 3, 64, 96)
    >>> torch.allclose(dense(image)[..., ::2, ::2], net(image), atol=1e-5)
    True
    """
    if not isinstance(net, nn.Module):
        raise ArgumentError(f"`net` (={net!r}) must be a torch.nn.Module; `create_backbone` builds one from a name.")
    check_output_stride(output_stride)
    try:
        dense = dilate(copy.deepcopy(net), output_stride)
        name, stride = coarsest(dense)
        deviations = law_deviations(net, dense, _image_for(net))
    except IntarsiaError:
        raise
    except Exception as error:  # whatever a foreign network raises at a size or a stride that is not its own
        reason = " ".join(str(error).split())[:300]
        raise _keeps_its_stride(net, output_stride, f"its maps do not fit together ({reason})") from error
    if stride > output_stride:
        raise _keeps_its_stride(net, output_stride, f"{name} still has stride {stride}")
    for name, deviation in deviations.items():
        if not deviation <= TOLERANCE:
            shown = f"`{name}`" if name.startswith("output") else f"layer `{name}`"
            what = f"{shown} no longer computes the same function (relative difference {deviation:.1e})"
            raise _keeps_its_stride(net, output_stride, what)
    return dense


def _image_for(net: nn.Module) -> Tensor:
    """A random image whose sides divide by the network's own stride."""
    _, stride = coarsest(net)
    height, width = max(128, 4 * stride), max(96, 3 * stride)
    return torch.randn(1, input_channels(net), height, width, generator=torch.Generator().manual_seed(0))


def _keeps_its_stride(net: nn.Module, output_stride: int, what: str) -> ArgumentError:
    return ArgumentError(
        f"{type(net).__name__} cannot have output stride {output_stride}: {what}. Only stride carried by Conv2d, "
        "MaxPool2d and AvgPool2d, and maps that halve exactly, can be made denser; use the network at its own stride."
    )


def _replacement(layer: nn.Module, placement: Placement) -> nn.Module:
    stride, dilation = (placement.stride, placement.stride), placement.dilation
    if isinstance(layer, nn.Conv2d):
        with torch.device("meta"):
            conv = DilatedConv2d(
                layer.in_channels,
                layer.out_channels,
                placement.kernel,
                stride=stride,
                dilation=dilation,
                sides=placement.sides,
                groups=layer.groups,
                bias=layer.bias is not None,
            )
        conv.weight, conv.bias = layer.weight, layer.bias
        return conv.train(layer.training)
    if isinstance(layer, nn.AvgPool2d):
        counted = placement.counted if layer.count_include_pad else Sides(0, 0, 0, 0)
        return DilatedAvgPool2d(
            placement.kernel, stride=stride, dilation=dilation, sides=placement.sides, counted=counted
        )
    return DilatedMaxPool2d(placement.kernel, stride=stride, dilation=dilation, sides=placement.sides)
