"""A dry run on the meta device: which layers of a network look around or move, and at which stride they stand."""

import copy
import math

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import Tensor, nn

from intarsia.backbones.output_stride import SpatialLayer
from intarsia.errors import ArgumentError
from intarsia.layers.padding import Sides, same_padding

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
MAX_POOLS = (nn.MaxPool2d, MaxPool2dSame)
AVG_POOLS = (nn.AvgPool2d, AvgPool2dSame)
SAME_LAYERS = (Conv2dSame, MaxPool2dSame, AvgPool2dSame)
SUMMARIES = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
SPATIAL = CONVOLUTIONS + MAX_POOLS + AVG_POOLS

Spatial = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d  # what SPATIAL's members are to a type checker

PROBE = 512  # pixels a side: large enough that no map shrinks to one position by striding


def survey(net: nn.Module) -> tuple[SpatialLayer, ...]:
    """Every layer of ``net`` that looks at more than one position or moves by more than one, in calling order.

    Only exact ``Conv2d``, ``MaxPool2d`` and ``AvgPool2d`` and timm's SAME-padded forms of them are understood; any
    other leaf that coarsens the grid is refused by name, and so is a layer that is called twice.
    """
    shapes = _record_shapes(net)
    modules = dict(net.named_modules())
    layers: list[SpatialLayer] = []
    seen: set[str] = set()
    for name, before, after in shapes:
        module = modules[name]
        if type(module) not in SPATIAL:
            _refuse_unknown_stride(name, module, before, after)
            continue
        layer = _describe(name, module, nominal=_nominal_stride(before))  # pyright: ignore[reportArgumentType]
        if layer.kernel == (1, 1) and layer.stride == 1:
            continue
        if name in seen:
            raise ArgumentError(
                f"Layer `{name}` is called more than once, so that it has no single stride; build the network with a "
                "layer of its own for each call."
            )
        seen.add(name)
        layers.append(layer)
    return tuple(layers)


def coarsest(net: nn.Module) -> tuple[str, int]:
    """The layer that leaves the coarsest map, and that map's stride; summaries of the whole image do not count.

    Maps may lie channels-first or channels-last: on the square probe the two equal neighbouring axes are the grid.
    """
    modules = dict(net.named_modules())
    name, stride = "", 1
    for layer, _, after in _record_shapes(net):
        size = after[-1] if after[-1] == after[-2] else after[1] if after[1] == after[2] else PROBE
        if size > 1 and PROBE // size > stride and not isinstance(modules[layer], SUMMARIES):
            name, stride = layer, PROBE // size
    return name, stride


def input_channels(net: nn.Module) -> int:
    """The number of channels of the first convolution."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ArgumentError(f"{type(net).__name__} has no Conv2d; an output stride is defined for convolutional networks.")


def _record_shapes(net: nn.Module) -> list[tuple[str, torch.Size, torch.Size]]:
    probe = copy.deepcopy(net).to("meta").float().eval()
    records: list[tuple[str, torch.Size, torch.Size]] = []

    def watch(name: str, module: nn.Module) -> None:
        def record(_: nn.Module, args: tuple[object, ...], output: object) -> None:
            if args and isinstance(args[0], Tensor) and isinstance(output, Tensor) and args[0].ndim == output.ndim == 4:
                records.append((name, args[0].shape, output.shape))

        module.register_forward_hook(record)

    for name, module in probe.named_modules():
        if not any(True for _ in module.children()) or type(module) in SPATIAL:
            watch(name, module)
    with torch.no_grad():
        probe(torch.empty(1, input_channels(net), PROBE, PROBE, device="meta"))
    return records


def _nominal_stride(shape: torch.Size) -> int:
    return 2 ** round(math.log2(PROBE / shape[-1]))


def _refuse_unknown_stride(name: str, module: nn.Module, before: torch.Size, after: torch.Size) -> None:
    permutes = after[:2] != before[:2] or isinstance(module, nn.Linear)  # channels-last maps
    summary = isinstance(module, SUMMARIES) or after[-2:] == (1, 1)
    if permutes or summary or after[-2:] == before[-2:]:
        return
    raise ArgumentError(
        f"Layer `{name}` ({type(module).__name__}) changes the grid and is none of Conv2d, MaxPool2d and AvgPool2d; "
        "only these can trade stride for dilation, so this network keeps its own output stride."
    )


def _describe(name: str, module: Spatial, nominal: int) -> SpatialLayer:
    kernel, strides = _pair(module.kernel_size), _pair(module.stride)
    dilation = (1, 1) if isinstance(module, nn.AvgPool2d) else _pair(module.dilation)
    stride = strides[0]
    if strides[0] != strides[1] or stride & (stride - 1):
        raise ArgumentError(f"Layer `{name}` has stride {strides}; only equal powers of two can become dilation.")
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        raise ArgumentError(f"Layer `{name}` pads by `{module.padding_mode}`; only zero padding can be dilated.")
    if isinstance(module, nn.AvgPool2d) and module.divisor_override:
        raise ArgumentError(f"Layer `{name}` divides by {module.divisor_override} whatever it sums, and is not a mean.")
    sides = _sides(module, kernel, stride, dilation)
    return SpatialLayer(name, kernel, stride, dilation, sides, nominal, isinstance(module, nn.Conv2d))


def _sides(module: Spatial, kernel: tuple[int, int], stride: int, dilation: tuple[int, int]) -> Sides:
    if type(module) in SAME_LAYERS or module.padding == "same":
        top, bottom = same_padding(kernel[0], stride, dilation[0])
        left, right = same_padding(kernel[1], stride, dilation[1])
        return Sides(left, right, top, bottom)
    top, left = (0, 0) if module.padding == "valid" else _pair(module.padding)  # pyright: ignore[reportArgumentType]
    return Sides(left, left, top, top)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
