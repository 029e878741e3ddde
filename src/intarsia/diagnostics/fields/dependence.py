"""Which pixels each position of each map depends on, followed through the running code operation by operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from intarsia.backbones.survey import bare_copy, input_channels, named_maps
from intarsia.diagnostics.fields.dependence_links import Marks, Positions, pointwise, whole
from intarsia.diagnostics.fields.dependence_rules import RULES, SHAPE_ONLY
from intarsia.diagnostics.fields.dependence_views import Sharing, overwritten, written
from intarsia.errors import ArgumentError
from intarsia.models import SegmentationNetwork

LOGITS = "logits"


@dataclass(frozen=True)
class Convolution:
    """One that looks around: its module, the map that it gives, and along rows and columns its kernel, stride, rate."""

    name: str
    map: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    rate: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Dependence:
    """The maps of a network in the order of their computation, and what each reads of earlier ones.

    ``positions[0]`` is the image. ``maps`` are the ones that have a name: the backbone's stages and the logits.
    """

    positions: tuple[Positions, ...]
    modules: tuple[str, ...]  # in which each map was computed
    maps: Mapping[str, int]
    convolutions: tuple[Convolution, ...]

    def reach(
        self, name: str, row: int, column: int, *, local: bool = False
    ) -> tuple[Bool[ndarray, " H"], Bool[ndarray, " W"]]:
        """The rows and the columns of the image that a position of a map depends on.

        What it depends on lies within their product. ``local`` leaves out the paths through means of the image,
        attention, and whatever else reads a whole map at once.
        """
        wanted = self._wanted(self.maps[name], row, column, local)
        return wanted[0]

    def feeds(self, earlier: int, later: int) -> bool:
        """Whether a map depends on an earlier one."""
        return earlier in self._wanted(later, 0, 0, True)

    def looks_at_everything(self, name: str) -> tuple[str, ...]:
        """The modules on the way to a map that read a whole map at once, in the order of their computation."""
        last = self.maps[name]
        middle = self.positions[last]
        wanted = self._wanted(last, middle.rows // 2, middle.columns // 2, False)
        found = [self.modules[i] for i in sorted(wanted) for link in self.positions[i].links if link.whole]
        return tuple(dict.fromkeys(found))

    def _wanted(self, last: int, row: int, column: int, local: bool) -> dict[int, Marks]:
        """The positions of every earlier map that this one depends on."""
        wanted = {last: _at(self.positions[last], row, column), 0: _at(self.positions[0], -1, -1)}
        for index in range(last, 0, -1):
            if index not in wanted:
                continue
            for link in self.positions[index].links:
                if link.whole and local:
                    continue
                source = self.positions[link.source]
                into = wanted.setdefault(link.source, _at(source, -1, -1))
                link.pull(wanted[index], into)
        return wanted


def dependence(net: nn.Module, rows: int, columns: int) -> Dependence:
    """Follow an image of this size through a network, on the meta device, where nothing is computed.

    Known are convolutions, poolings, resizing, padding, cropping, shuffling, matrix products, reshaping, and all that
    works position by position. What is not known, such as attention in windows or writing into some rows of a map,
    counts as reading its whole map, so the answer may be too large. It is not too small for what the dispatcher of
    PyTorch sees; values that leave it, through NumPy or numbers of Python, are not followed. ``net`` is copied and
    stays as it is.

    Raises:
        ArgumentError: the network has no convolution, does not take an image of this size, or gives what does not come
            from the image.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=2, dilation=2), nn.MaxPool2d(2))
    >>> rows, columns = dependence(net, 16, 16).reach("logits", 4, 0)
    >>> rows.nonzero()[0], columns.nonzero()[0]
    (array([ 6,  7,  8,  9, 10, 11]), array([0, 1, 2, 3]))
    """
    probe = bare_copy(net)
    trace = _Trace()
    _follow_names(probe, trace)
    image = torch.empty(1, input_channels(net), rows, columns, device="meta")
    trace.mark(image, Positions(rows, columns, "..rc", ()))
    given_maps: list[Any] = []
    if isinstance(probe, SegmentationNetwork):
        probe.backbone.register_forward_hook(lambda _module, _args, output: given_maps.append(output))
    try:
        with torch.no_grad(), trace:
            given = probe(image)
    except RuntimeError as error:
        raise ArgumentError(f"The network does not take an image of {rows}×{columns} pixels: {error}") from error
    maps = named_stages(probe, given_maps[0]) if given_maps else {}  # the first: a network may look at several scales
    maps[LOGITS] = next(iter(named_maps(given).values()))
    for name, map_ in maps.items():
        if id(map_) not in trace.indices:
            raise ArgumentError(
                f"The map `{name}` of the network does not come from the image, as far as its operations tell; compute "
                "it with operations of PyTorch on the image."
            )
    indices = {name: trace.indices[id(m)] for name, m in maps.items()}
    return Dependence(tuple(trace.positions), tuple(trace.modules), indices, tuple(trace.convolutions))


def named_stages(net: nn.Module, maps: Sequence[Tensor]) -> dict[str, Tensor]:
    """The maps of a network's backbone, named by their nominal strides; of several at one stride the deepest."""
    assert isinstance(net, SegmentationNetwork)
    return {f"stage {s}": m for s, m in zip(net.backbone.spec.nominal_strides, maps, strict=True)}


class _Trace(TorchDispatchMode):
    """Gives every tensor that comes from the image its :class:`Positions`."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: list[Positions] = []
        self.modules: list[str] = []
        self.convolutions: list[Convolution] = []
        self.indices: dict[int, int] = {}
        self.known: dict[int, Tensor] = {}  # values of tensors that do not come from the image, such as row numbers
        self.alive: list[Tensor] = []  # an id is a tensor's own only while it lives
        self.sharing = Sharing()
        self.names = [""]

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        targets = written(func, args, kwargs)
        leaves = {id(leaf): leaf for leaf in (*tree_leaves(result), *targets) if isinstance(leaf, Tensor)}
        given = [leaf for leaf in leaves.values() if leaf.numel()]
        taken = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.sharing.see((*taken, *given))
        sources = {id(t): self.indices[id(t)] for t in taken if id(t) in self.indices}
        if func.overloadpacket in SHAPE_ONLY:
            return result
        if not sources:
            self._compute(func, args, kwargs, taken, given)
            return result
        before = {key: (index, self.positions[index]) for key, index in sources.items()}
        rule = RULES.get(func.overloadpacket, pointwise if torch.Tag.pointwise in func.tags else whole)
        for tensor in given:
            found = rule(before, args, kwargs, tensor, self.known) or whole(before, args, kwargs, tensor, self.known)
            self.mark(tensor, found)
        for target in targets:
            self._write(target)
        if func.overloadpacket is torch.ops.aten.convolution and given:
            self._note(args, given[0])
        return result

    def mark(self, tensor: Tensor, positions: Positions) -> None:
        self.indices[id(tensor)] = len(self.positions)
        self.positions.append(positions)
        self.modules.append(self.names[-1])
        self.alive.append(tensor)

    def _write(self, target: Tensor) -> None:
        """Into the memory of other tensors: a view's base, and the base's views."""
        self.known.pop(id(target), None)
        index = self.indices[id(target)]
        for other in self.sharing.others(target):
            self.known.pop(id(other), None)
            held = self.indices.get(id(other))
            before = None if held is None else (held, self.positions[held])
            self.mark(other, overwritten(other, before, target, index, self.positions[index]))

    def _compute(self, func: Any, args: Any, kwargs: dict[str, Any], taken: list[Tensor], given: list[Tensor]) -> None:
        """The values of small tensors that index maps; on the meta device they have none."""
        made = func.overloadpacket is torch.ops.aten.arange
        if len(given) == 1 and (made or (taken and all(id(t) in self.known for t in taken))):
            device = {"device": torch.device("cpu")} if "device" in kwargs else {}
            real = tree_map_only(Tensor, lambda t: self.known[id(t)], (args, kwargs))
            self.known[id(given[0])] = func(*real[0], **{**real[1], **device})
            self.alive.append(given[0])

    def _note(self, args: tuple[Any, ...], output: Tensor) -> None:
        weight, (_, stride, _, rate, transposed) = args[1], args[2:7]
        if weight.ndim == 4 and not transposed and max(weight.shape[-2:]) > 1:
            kernel = (weight.shape[-2], weight.shape[-1])
            index = self.indices[id(output)]
            self.convolutions.append(Convolution(self.names[-1], index, kernel, _pair(stride), _pair(rate)))


def _follow_names(probe: nn.Module, trace: _Trace) -> None:
    """Hooks on a copy that tell the trace in which module it is."""

    def enter(name: str) -> Any:
        return lambda _module, _args: trace.names.append(name)

    def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
        trace.names.pop()

    for name, module in probe.named_modules():
        module.register_forward_pre_hook(enter(name))
        module.register_forward_hook(leave)


def _at(positions: Positions, row: int, column: int) -> Marks:
    """One position of a map, or none for −1; one that stands for the whole image has a single one."""
    marks = np.zeros(positions.rows, dtype=bool), np.zeros(positions.columns, dtype=bool)
    if row >= 0:
        marks[0][min(row, positions.rows - 1)] = True
        marks[1][min(column, positions.columns - 1)] = True
    return marks


def _pair(value: Sequence[int]) -> tuple[int, int]:
    return value[0], value[-1]
