"""What attention attends to: rows of the matrices that the layers never hold.

:func:`intarsia.layers.attend` answers all queries without an N×N matrix. Here the map that entered a block is recorded,
and the weights of single queries are computed from it with the block's own convolutions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from intarsia.diagnostics.grid import Grid, grid_of, strides_of
from intarsia.diagnostics.watching import input_of, watched
from intarsia.errors import ArgumentError
from intarsia.layers import ChannelAttention, NonLocal, PositionAttention
from intarsia.models import SegmentationNetwork
from intarsia.shapes import Mask

SCORES = 2**22  # of a block of queries, held at once: 16 MB

Point = tuple[int, int]


def position_attention(
    net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], points: Sequence[Point], block: str | None = None
) -> Float[np.ndarray, "P h w"]:
    """The weights with which the position under each pixel gathers all positions.

    DANet, arXiv:1809.02983, equation 1: row i of softmax(Qᵀ K), and the embedded Gaussian of non-local blocks
    (arXiv:1711.07971, equation 4) likewise: they sum to one. The other two similarities of non-local blocks are divided
    by N as in the block, and may be negative.

    Args:
        net: in evaluation mode.
        image: normalised.
        points: (x, y) of pixels.
        block: the name of the module; by default the first that there is.

    Raises:
        ArgumentError: the network has no such block.

    >>> from intarsia.models import create_model
    >>> net = create_model("danet", "resnet18", classes=5).eval()
    >>> rows = position_attention(net, torch.randn(1, 3, 64, 64), [(0, 0), (40, 20)])
    >>> rows.shape, rows.sum((1, 2)).round(4).tolist()
    ((2, 8, 8), [1.0, 1.0])
    """
    name = _the(net, block, (PositionAttention, NonLocal), "position attention")
    seen = _Seen(net, image, name)
    indices = [row * seen.queries.columns + column for row, column in (seen.queries.position(x, y) for x, y in points)]
    weights = seen.weights(torch.tensor(indices, device=image.device))
    return weights.cpu().numpy().reshape(-1, seen.keys.rows, seen.keys.columns)


def attention_grid(net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], block: str | None = None) -> Grid:
    """Where the positions lie that :func:`position_attention` weighs.

    Raises:
        ArgumentError: the network has no such block.
    """
    return _Seen(net, image, _the(net, block, (PositionAttention, NonLocal), "position attention")).keys


@dataclass(frozen=True, eq=False)
class Between:
    """How much the positions of one class attend to those of another.

    Args:
        weights: the mean weight times the number of positions, so that 1 is even; a row is the class that attends. nan
            where one of both has no position.
        looking: how many positions each class has that attend.
        seen: how many each class has that are attended to.
    """

    weights: Float[np.ndarray, "K K"]
    looking: Int[np.ndarray, "K"]
    seen: Int[np.ndarray, "K"]

    def inside(self, label: int) -> float:
        """What the positions of a class give to a position of their own class, on average; 1 is even."""
        return float(self.weights[label, label])

    def outside(self, label: int) -> float:
        """What they give to one of another class; nan where there is none."""
        others = np.where(np.arange(len(self.seen)) == label, 0, self.seen)
        return float(np.nansum(self.weights[label] * others) / others.sum()) if others.any() else float("nan")


def attention_between(
    net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], mask: Mask, classes: int, block: str | None = None
) -> Between:
    """Which class attends to which, over all pairs of positions.

    Args:
        net: in evaluation mode.
        image: normalised.
        mask: the class of each pixel; what is no class is left out.
        classes: their number K.
        block: as for :func:`position_attention`.

    Raises:
        ArgumentError: the network has no such block.
    """
    seen = _Seen(net, image, _the(net, block, (PositionAttention, NonLocal), "position attention"))
    of_queries, of_keys = (
        torch.from_numpy(np.eye(classes + 1)[np.minimum(_labels(grid, mask), classes), :classes])
        for grid in (seen.queries, seen.keys)
    )
    total = torch.zeros(classes, classes, dtype=torch.float64)
    for part in seen.blocks():
        total += of_queries[part.cpu()].mT @ (seen.weights(part).cpu().double() @ of_keys)
    looking, looked_at = (members.sum(0).numpy() for members in (of_queries, of_keys))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total.numpy() / (looking[:, None] * looked_at)
    return Between(mean * len(of_keys), looking.astype(int), looked_at.astype(int))


def channel_attention(
    net: SegmentationNetwork, image: Float[Tensor, "1 C H W"], block: str | None = None
) -> Float[np.ndarray, "D D"]:
    """The weights with which each channel gathers all channels (DANet, equation 3); rows sum to one.

    Raises:
        ArgumentError: the network has no such block.
    """
    name = _the(net, block, (ChannelAttention,), "channel attention")
    module = net.get_submodule(name)
    assert isinstance(module, ChannelAttention)
    rows = watched(net, image, [name], input_of)[name][0][0].flatten(1).float()
    energy = rows @ rows.mT
    energy = energy.amax(-1, keepdim=True) - energy if module.preference == "dissimilar" else energy
    return energy.softmax(-1).cpu().numpy()


def blocks_of(net: nn.Module, kinds: type[nn.Module] | tuple[type[nn.Module], ...]) -> list[str]:
    """The names of a network's modules of some kinds, in the order in which they are written."""
    return [name for name, module in net.named_modules() if isinstance(module, kinds)]


class _Seen:
    """What entered a block, as queries and keys."""

    def __init__(self, net: SegmentationNetwork, image: Tensor, name: str) -> None:
        module = net.get_submodule(name)
        assert isinstance(module, PositionAttention | NonLocal)
        self.module = module
        x = watched(net, image, [name], input_of)[name][0][:1]
        stride, size = strides_of(net, [name])[name], (image.shape[-2], image.shape[-1])
        with torch.no_grad():
            query, key = self._projected(x)
        self.query, self.key = query[0].flatten(1).float(), key[0].flatten(1).float()
        self.queries = grid_of(net, stride, size, (query.shape[-2], query.shape[-1]))
        pooled = 2 if isinstance(module, NonLocal) and module.subsample else 1
        self.keys = grid_of(net, stride * pooled, size, (key.shape[-2], key.shape[-1]))

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(self.module, PositionAttention):
            return self.module.query(x), self.module.key(x)
        key = self.module.phi(x)
        return self.module.theta(x), F.max_pool2d(key, 2, ceil_mode=True) if self.module.subsample else key

    @torch.no_grad()
    def weights(self, indices: Tensor) -> Float[Tensor, "n M"]:
        """Rows of the matrix, for some queries."""
        query, key, module = self.query[:, indices], self.key, self.module
        if isinstance(module, PositionAttention) or module.similarity == "embedded_gaussian":
            return (query.mT @ key).softmax(-1)
        if module.similarity == "dot_product":
            return query.mT @ key / key.shape[1]
        w_query, w_key = module.pair.weight.flatten(1).float().chunk(2, dim=1)
        return ((w_query @ query).mT + w_key @ key).relu() / key.shape[1]

    def blocks(self) -> Iterator[Tensor]:
        """The indices of all queries, some at a time."""
        yield from torch.arange(self.query.shape[1], device=self.query.device).split(
            max(1, SCORES // self.key.shape[1])
        )


def _labels(grid: Grid, mask: Mask) -> Integer[np.ndarray, "N"]:
    """The class under each position, flat."""
    rows, columns = grid.places(*mask.shape)
    return mask[rows[:, None], columns].ravel()


def _the(net: nn.Module, name: str | None, kinds: tuple[type[nn.Module], ...], what: str) -> str:
    names = blocks_of(net, kinds)
    if name is None and names:
        return names[0]
    if name not in names:
        there = ", ".join(names) or "none at all"
        wanted = f"no block `{name}` of {what}" if name else f"no block of {what}"
        raise ArgumentError(f"The network has {wanted} (it has {there}); danet has, and any model with `attention`.")
    return name
