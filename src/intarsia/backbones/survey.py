"""A dry run on the meta device: which layers of a network look around or move, and at which stride they stand."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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


@dataclass(frozen=True)
class Call:
    """One layer (or the network itself), and the sizes of what enters and leaves it for two sizes of the image."""

    name: str
    before: tuple[torch.Size, torch.Size]
    after: tuple[torch.Size, torch.Size]


def survey(net: nn.Module) -> tuple[SpatialLayer, ...]:
    """Every layer of ``net`` that looks at more than one position or moves by more than one, in calling order.

    Only exact ``Conv2d``, ``MaxPool2d`` and ``AvgPool2d`` and timm's SAME-padded forms of them are understood; any
    other leaf that coarsens the grid is refused by name, and so is a layer that is called twice. Layers on maps whose
    size does not depend on the image's, as behind pooling to 7×7 positions, have no stride and are left alone.
    """
    modules = dict(net.named_modules())
    layers: list[SpatialLayer] = []
    seen: set[str] = set()
    for call in _calls(net):
        module = modules[call.name]
        if type(module) not in SPATIAL:
            _refuse_unknown_stride(call.name, module, call.before[0], call.after[0])
            continue
        nominal = stride_of_growth(call.before)
        if nominal is None:
            continue
        layer = _describe(call.name, module, nominal)  # pyright: ignore[reportArgumentType]
        if layer.kernel == (1, 1) and layer.stride == 1:
            continue
        if call.name in seen:
            raise ArgumentError(
                f"Layer `{call.name}` is called more than once, so that it has no single stride; build the network "
                "with a layer of its own for each call."
            )
        seen.add(call.name)
        layers.append(layer)
    return tuple(layers)


def coarsest(net: nn.Module) -> tuple[str, int]:
    """What leaves the coarsest map, a layer or the network itself, and that map's stride."""
    name, stride = "", 1
    for call in _calls(net):
        found = stride_of_growth(call.after)
        if found is not None and found > stride:
            name, stride = f"layer `{call.name}`", found
    for output, sizes in _output_sizes(net).items():
        found = stride_of_growth(sizes)
        if found is not None and found > stride:
            name, stride = f"`{output}`", found
    return name, stride


def map_strides(net: nn.Module) -> list[tuple[int, int]]:
    """Channels and stride of each map that ``net`` gives."""
    return [(sizes[0][1], stride_of_growth(sizes) or 0) for sizes in _output_sizes(net).values() if len(sizes[0]) == 4]


def source_of_map(net: nn.Module, index: int) -> str | None:
    """The outermost module whose output is the map of that index; among several of one level, the last."""
    probe = bare_copy(net)
    given: list[tuple[str, object]] = []

    def watch(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _module, _args, output: given.append((name, output)))

    for name, module in probe.named_modules():
        if name:
            watch(name, module)
    wanted = list(named_maps(_run(probe, PROBE)).values())[index]
    sources = [name for name, output in given if output is wanted]
    return min(reversed(sources), key=lambda name: name.count("."), default=None)


def named_maps(outputs: object, name: str = "output") -> dict[str, Tensor]:
    """The tensors in what a network gives: a tensor, or tuples, lists and dictionaries of such.

    >>> list(named_maps((torch.zeros(1), {"aux": torch.zeros(1)})))
    ['output 0', 'output 1 aux']
    """
    if isinstance(outputs, Tensor):
        return {name: outputs}
    parts: dict[str, Tensor] = {}
    items = outputs.items() if isinstance(outputs, Mapping) else enumerate(outputs if _is_sequence(outputs) else ())
    for key, part in items:
        parts |= named_maps(part, f"{name} {key}")
    return parts


def input_channels(net: nn.Module) -> int:
    """The number of channels of the first convolution."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ArgumentError(f"{type(net).__name__} has no Conv2d; an output stride is defined for convolutional networks.")


def first_tensor(args: tuple[object, ...], kwargs: Mapping[str, object]) -> Tensor | None:
    """The map that enters a layer, given by position or by name."""
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)


def _calls(net: nn.Module) -> list[Call]:
    probe = bare_copy(net)
    records: list[tuple[str, torch.Size, torch.Size]] = []

    def watch(name: str, module: nn.Module) -> None:
        def record(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], output: object) -> None:
            x = first_tensor(args, kwargs)
            if x is not None and isinstance(output, Tensor) and x.ndim == output.ndim == 4:
                records.append((name, x.shape, output.shape))

        module.register_forward_hook(record, with_kwargs=True)

    for name, module in probe.named_modules():
        if not any(True for _ in module.children()) or type(module) in SPATIAL:
            watch(name, module)
    for pixels in (PROBE, 2 * PROBE):
        _run(probe, pixels)
    half = len(records) // 2  # both images go the same way
    both = zip(records[:half], records[half:], strict=True)
    return [Call(name, (before, b), (after, a)) for (name, before, after), (_, b, a) in both]


def _output_sizes(net: nn.Module) -> dict[str, tuple[torch.Size, torch.Size]]:
    probe = bare_copy(net)
    small, large = (named_maps(_run(probe, pixels)) for pixels in (PROBE, 2 * PROBE))
    return {name: (map_.shape, large[name].shape) for name, map_ in small.items()}


def bare_copy(net: nn.Module) -> nn.Module:
    """A copy that holds no data."""
    bare = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=False) for p in net.parameters()}
    return copy.deepcopy(net, bare).to("meta").float().eval()


@torch.no_grad()
def _run(probe: nn.Module, pixels: int) -> object:
    with NormsLeftOut():
        return probe(torch.empty(1, input_channels(probe), pixels, pixels, device="meta"))


class NormsLeftOut(TorchFunctionMode):
    """Batch norm changes no size, and its shape function takes most of a dry run."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        return args[0] if func is F.batch_norm else func(*args, **(kwargs or {}))


def stride_of_growth(sizes: tuple[torch.Size, torch.Size]) -> int | None:
    """How many pixels of the image a map's step is: as many as the image grew for each position that the map grew.

    Independent of padding, which adds as much to either. Nothing for a map whose size does not follow the image's.
    """
    grown = [large - small for small, large in zip(*sizes, strict=True) if large != small]
    return 2 ** round(math.log2(PROBE / grown[-1])) if grown else None


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


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
    ceil = not isinstance(module, nn.Conv2d) and type(module) not in SAME_LAYERS and module.ceil_mode
    return SpatialLayer(name, kernel, stride, dilation, sides, nominal, isinstance(module, nn.Conv2d), ceil)


def _sides(module: Spatial, kernel: tuple[int, int], stride: int, dilation: tuple[int, int]) -> Sides:
    if type(module) in SAME_LAYERS or module.padding == "same":
        top, bottom = same_padding(kernel[0], stride, dilation[0])
        left, right = same_padding(kernel[1], stride, dilation[1])
        return Sides(left, right, top, bottom)
    top, left = (0, 0) if module.padding == "valid" else _pair(module.padding)  # pyright: ignore[reportArgumentType]
    return Sides(left, left, top, top)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
