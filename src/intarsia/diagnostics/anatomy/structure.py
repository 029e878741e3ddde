"""The structure of a network as a graph, read off the running code: which parts feed which, and at what stride."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from intarsia.layers import ASPP, PyramidPooling
from intarsia.models import SegmentationNetwork

SIDE = 2048  # pixels of the image that is sent through: what padding adds is little beside it
POOLED = 8  # rows: a smaller map is a summary of the image, not a finer or coarser one
BATCH = 2  # batch norm trains on two

Part = Literal["image", "backbone", "decoder", "head", "auxiliary"]


@dataclass(frozen=True)
class Block:
    """A part of a network: ``name`` in the code, what it does, the map it gives, and the blocks that feed it."""

    name: str
    part: Part
    does: str
    channels: int
    side: int  # rows of its map, for an image of SIDE rows
    sources: tuple[int, ...]  # indices of earlier blocks

    @property
    def stride(self) -> int | None:
        """Input size / size of the map, to the nearest power of two; None for what was pooled to a few positions."""
        return 1 << max(0, round(math.log2(SIDE / self.side))) if self.side > POOLED else None


def structure(net: SegmentationNetwork) -> tuple[Block, ...]:
    """The blocks of a network on the meta device, in the order in which they are computed.

    The backbone is shown by its feature maps, decoder and heads by the blocks that their code is written in.

    >>> from intarsia.models import create_model
    >>> with torch.device("meta"):
    ...     blocks = structure(create_model("pspnet", "resnet18", classes=5))
    >>> [block.name for block in blocks if block.part == "head"], blocks[-1].stride
    (['head'], 1)
    """
    trace = _Trace()
    net.train()
    image = torch.empty(BATCH, net.backbone.spec.in_channels, SIDE, SIDE, device="meta")
    trace.add(Block("image", "image", "", image.shape[1], SIDE, ()), image)
    with _watching(net, trace), torch.no_grad(), trace:
        given = _tensors(net(image))[0]
    trace.add(Block("logits", "image", "", given.shape[1], given.shape[-2], tuple(trace.sources(given))), given)
    return tuple(trace.blocks)


class _Trace(TorchDispatchMode):
    """Follows through every operation which blocks a tensor comes from."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self.origins: dict[int, frozenset[int]] = {}
        self.alive: list[Tensor] = []  # an id is a tensor's own only while it lives

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        sources = self.sources((args, kwargs))
        if sources:
            for tensor in _tensors(result):
                self.mark(tensor, sources)
        return result

    def sources(self, values: Any) -> frozenset[int]:
        return frozenset().union(*(self.origins.get(id(tensor), frozenset()) for tensor in _tensors(values)))

    def mark(self, tensor: Tensor, sources: frozenset[int]) -> None:
        self.origins[id(tensor)] = sources
        self.alive.append(tensor)

    def add(self, block: Block, output: Tensor) -> None:
        self.blocks.append(block)
        self.mark(output, frozenset({len(self.blocks) - 1}))


@contextmanager
def _watching(net: SegmentationNetwork, trace: _Trace) -> Iterator[None]:
    """Hooks on the backbone, and on each block of decoder and heads; a block is shown at each of its calls."""

    def leave_backbone(_: nn.Module, args: tuple[Any, ...], maps: Any) -> None:
        _add_maps(trace, args, maps)

    handles = [net.backbone.register_forward_hook(leave_backbone)]

    def watch(name: str, part: Part, module: nn.Module) -> None:
        def enter(_: nn.Module, args: tuple[Any, ...]) -> None:
            entered.append(tuple(sorted(trace.sources(args))))

        def leave(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            sources = entered.pop()
            given = _tensors(output)
            if given:
                shape = given[0].shape
                trace.add(Block(name, part, describe(module), shape[1], shape[-2], sources), given[0])

        entered: list[tuple[int, ...]] = []
        handles.extend((module.register_forward_pre_hook(enter), module.register_forward_hook(leave)))

    named: dict[str, tuple[str, Part]] = {"decoder": ("", "decoder"), "auxiliary_heads": ("auxiliary", "auxiliary")}
    for name, module in net.named_children():
        path, part = named.get(name, (name, "head" if name == "head" else "decoder"))
        for block_path, block in _blocks(path, module) if module is not net.backbone else ():
            watch(block_path, part, block)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add_maps(trace: _Trace, args: Any, maps: Any) -> None:
    """One block a feature map, each fed by the one before."""
    before = tuple(trace.sources(args))
    for m in maps:
        block = Block("", "backbone", "", m.shape[1], m.shape[-2], before)
        trace.add(replace(block, name=f"stage {block.stride}"), m)
        before = (len(trace.blocks) - 1,)


def _blocks(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that are shown: what the files of `models` put together, and the branches of pyramids."""
    composite = type(module).__module__.startswith("intarsia.models") or isinstance(
        module, (nn.ModuleList, ASPP, PyramidPooling)
    )
    if isinstance(module, (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Upsample)):
        return
    if not composite:
        yield name, module
        return
    for child_name, child in module.named_children():
        yield from _blocks(f"{name}.{child_name}".lstrip("."), child)


def describe(module: nn.Module) -> str:
    """The largest kernel of a block's convolutions with its rate, or the block's name.

    >>> describe(nn.Sequential(nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 3, padding=6, dilation=6), nn.ReLU()))
    '3×3, rate 6'
    """
    convolutions = [m for m in module.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    own = type(module)
    if own.__module__.startswith("intarsia") or not convolutions:
        return "" if own in (nn.Sequential, nn.Identity) else own.__name__
    largest = max(convolutions, key=lambda conv: (conv.kernel_size[0], conv.dilation[0]))
    rate = f", rate {largest.dilation[0]}" if largest.dilation[0] > 1 else ""
    up = f", up {largest.stride[0]}" if isinstance(largest, nn.ConvTranspose2d) else ""
    return f"{largest.kernel_size[0]}×{largest.kernel_size[1]}{rate}{up}"


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
