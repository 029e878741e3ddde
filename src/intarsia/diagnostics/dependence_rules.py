"""For each operation of PyTorch: which positions of its inputs a position of its output reads."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor

from intarsia.diagnostics import taps as t
from intarsia.diagnostics.taps import Taps, read_by

aten = torch.ops.aten
Marks = tuple[Bool[ndarray, " _"], Bool[ndarray, " _"]]  # of rows and of columns


@dataclass(frozen=True, eq=False)
class Link:
    """What a map reads of an earlier one, along rows and columns; None: each position its own.

    ``whole`` marks what reads a whole map at once, whatever its size.
    """

    source: int
    rows: Taps | None = None
    columns: Taps | None = None
    whole: bool = False

    def pull(self, wanted: Marks, into: Marks) -> None:
        """Add to ``into`` what the wanted positions read."""
        for marks, taps, read in zip(wanted, (self.rows, self.columns), into, strict=True):
            read |= marks if taps is None else read_by(taps, marks, len(read))


@dataclass(frozen=True, eq=False)
class Positions:
    """Rows and columns of a map; a tensor without any, such as a mean of the image, has one of each.

    ``layout`` has a sign for each dimension: r rows, c columns, n both flattened into one, and a point for the rest.
    """

    rows: int
    columns: int
    layout: str
    links: tuple[Link, ...]


Before = Mapping[int, tuple[int, Positions]]  # id of a tensor → its index and positions
Rule = Callable[[Before, Sequence[Any], Mapping[str, Any], Tensor, Mapping[int, Tensor]], Positions | None]


def whole(before: Before, args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor, known: Any) -> Positions:
    """Everything is read."""
    links = [
        Link(i, t.all_taps(p.rows), t.all_taps(p.columns), whole=p.rows * p.columns > 1) for i, p in before.values()
    ]
    return Positions(1, 1, "." * out.ndim, tuple(links))


def pointwise(before: Before, args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor, known: Any) -> Positions:
    """Each position reads its own; a map of one position is read by all."""
    largest = _largest(before)
    layout = "." * (out.ndim - len(largest.layout)) + largest.layout[-out.ndim :]
    return Positions(largest.rows, largest.columns, layout, _links(before))


def _largest(before: Before) -> Positions:
    return max((p for _, p in before.values()), key=lambda p: p.rows * p.columns)


def _links(before: Before) -> tuple[Link, ...]:
    """Each position reads its own of every input; one that has a single position is read by all."""
    largest = _largest(before)
    return tuple(
        Link(i, _spread(p.rows, largest.rows), _spread(p.columns, largest.columns)) for i, p in before.values()
    )


def _spread(rows: int, wanted: int) -> Taps | None:
    return None if rows == wanted else np.zeros((1, wanted), dtype=np.int64)


def _first(before: Before, args: Sequence[Any]) -> tuple[int, Positions] | None:
    return before.get(id(args[0]))


def _same(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """The first argument, in its own layout; of tensors beside the result, such as statistics, nothing is said."""
    first = _first(before, args)
    if first is None or out.shape != args[0].shape or len(before) > 1:
        return None
    return Positions(first[1].rows, first[1].columns, first[1].layout, (Link(first[0]),))


def _convolution(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = _first(before, args)
    if first is None or len(before) > 1:
        return None
    index, p = first
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    if "c" not in p.layout:  # one position, as behind a mean
        return Positions(1, 1, p.layout, (Link(index),)) if p.rows == p.columns == 1 == out[0, 0].numel() else None
    rule = t.deconvolution_taps if transposed else t.convolution_taps
    rows, columns = (
        rule(n, out.shape[d], weight.shape[d], stride[i], padding[i], dilation[i])
        for i, (n, d) in enumerate(((p.rows, -2), (p.columns, -1)))
    )
    return Positions(out.shape[-2], out.shape[-1], "..rc", (Link(index, rows, columns),))


def _pool(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Maximum and mean; ``dilation`` is a maximum's only."""
    names = ("kernel_size", "stride", "padding", "dilation" if len(args) > 4 and _is_list(args[4]) else "ceil_mode")
    given = dict(zip(names, args[1:], strict=False)) | dict(kwargs)
    kernel = _two(given["kernel_size"])
    stride = _two(given.get("stride") or kernel)
    padding, rate = _two(given.get("padding", 0)), _two(given.get("dilation", 1))

    def taps(n: int, size: int, axis: int) -> Taps:
        return t.convolution_taps(n, size, kernel[axis], stride[axis], padding[axis], rate[axis])

    return _moved(before, args, out, taps)


def _adaptive(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Bins that share the map: each reads its part, which grows with the image."""
    return _moved(before, args, out, lambda n, size, axis: t.bin_taps(n, size), whole=True)


def _bilinear(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    align_corners = args[2]
    factors = _scales(args[3:], kwargs)

    def taps(n: int, size: int, axis: int) -> Taps:
        if align_corners:
            return t.bilinear_taps(n, size, (n - 1) / (size - 1) if size > 1 else 0.0, True)
        return t.bilinear_taps(n, size, 1 / factors[axis] if factors else n / size, False)

    return _moved(before, args, out, taps)


def _nearest(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    factors = _scales(args[2:], kwargs)
    return _moved(
        before, args, out, lambda n, size, axis: t.nearest_taps(n, size, 1 / factors[axis] if factors else n / size)
    )


def _shuffle(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    return _moved(before, args, out, lambda n, size, axis: t.nearest_taps(n, size, 1 / args[1]))


def _pad(mode: str) -> Rule:
    def rule(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
        first = _first(before, args)
        if first is None or set(args[1][4:]) - {0} or first[1].layout[-2:] != "rc":
            return None
        sides = [*args[1], 0, 0, 0, 0]
        return _moved(before, args, out, lambda n, size, axis: t.padding_taps(n, *sides[2 - 2 * axis :][:2], mode))

    return rule


def _moved(
    before: Before, args: Sequence[Any], out: Tensor, taps: Callable[[int, int, int], Taps], whole: bool = False
) -> Positions | None:
    """A map of other rows and columns in the same layout."""
    first = _first(before, args)
    if first is None or first[1].layout[-2:] != "rc" or len(before) > 1:
        return None
    index, p = first
    rows, columns = taps(p.rows, out.shape[-2], 0), taps(p.columns, out.shape[-1], 1)
    return Positions(out.shape[-2], out.shape[-1], p.layout, (Link(index, rows, columns, whole),))


def _slice(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    dimension, start, end, step = (*args[1:], *(0, None, None, 1)[len(args) - 1 :])
    first = _first(before, args)
    if first is None:
        return None
    return _picked(*first, dimension, np.arange(args[0].shape[dimension])[None, start:end:step])


def _index_select(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = _first(before, args)
    if first is None or id(args[2]) not in known:
        return None
    return _picked(*first, args[1], known[id(args[2])].numpy()[None])


def _picked(index: int, p: Positions, dimension: int, places: Taps) -> Positions | None:
    """Some positions along one dimension."""
    sign = p.layout[dimension]
    if sign == "n":
        return None
    rows, columns = places if sign == "r" else None, places if sign == "c" else None
    sizes = [p.rows if rows is None else places.shape[1], p.columns if columns is None else places.shape[1]]
    return Positions(sizes[0], sizes[1], p.layout, (Link(index, rows, columns),))


def _reduce(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Sums, means and maxima over dimensions that are no positions."""
    first = _first(before, args)
    if first is None or len(args) < 2 or args[1] is None:
        return None
    index, p = first
    over = {d % len(p.layout) for d in (args[1] if _is_list(args[1]) else [args[1]])}
    if any(p.layout[d] != "." for d in over):
        return None
    kept = "".join(sign for d, sign in enumerate(p.layout) if out.ndim == len(p.layout) or d not in over)
    return Positions(p.rows, p.columns, kept, (Link(index),))


def _join(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Concatenation and stacking along channels, also with what is the same for all positions."""
    largest = _largest(before)
    dimension = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.ndim
    layout = largest.layout
    if any(p.layout != layout for _, p in before.values() if p.rows * p.columns > 1):
        return None
    if out.ndim > len(layout):
        layout = layout[:dimension] + "." + layout[dimension:]
    return Positions(largest.rows, largest.columns, layout, _links(before)) if layout[dimension] == "." else None


def _permute(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    index, p = next(iter(before.values()))
    order = list(range(len(p.layout)))
    if _is_list(args[1] if len(args) > 1 else None):
        order = [d % len(order) for d in args[1]]
    else:
        a, b = args[1:3] if len(args) > 2 else (0, -1)
        order[a], order[b] = order[b], order[a]
    return Positions(p.rows, p.columns, "".join(p.layout[d] for d in order), (Link(index),))


def _view(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    index, p = next(iter(before.values()))
    layout = reshaped(args[0].shape, p.layout, out.shape, (p.rows, p.columns))
    return None if layout is None else Positions(p.rows, p.columns, layout, (Link(index),))


def _expand(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions:
    index, p = next(iter(before.values()))
    return Positions(p.rows, p.columns, "." * (out.ndim - len(p.layout)) + p.layout, (Link(index),))


def _softmax(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = _first(before, args)
    return None if first is None or first[1].layout[args[1]] != "." else _same(before, args, kwargs, out, known)


def _layer_norm(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = _first(before, args)
    if first is None or set(first[1].layout[-len(args[1]) :]) != {"."}:
        return None
    return _same(before, args, kwargs, out, known)


def _product(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Matrices whose rows (or columns) are positions; a sum over positions reads them all."""
    left, right = (before.get(id(part)) for part in args[-2:])
    if left and not right and left[1].layout[-1] == ".":
        return Positions(left[1].rows, left[1].columns, left[1].layout, (Link(left[0]),))
    if right and not left and right[1].layout[-2] == ".":
        return Positions(right[1].rows, right[1].columns, right[1].layout, (Link(right[0]),))
    return None


def reshaped(before: Sequence[int], layout: str, after: Sequence[int], size: tuple[int, int]) -> str | None:
    """Where rows and columns are after a view; None if they were mixed with something else.

    >>> reshaped((1, 8, 5, 7), "..rc", (1, 8, 35), (5, 7)), reshaped((1, 8, 35), "..n", (1, 2, 4, 5, 7), (5, 7))
    ('..n', '...rc')
    """
    i, j, signs = 0, 0, ""
    while i < len(before) or j < len(after):
        first, second = i, j
        i, j = i + (i < len(before)), j + (j < len(after))
        while (left := math.prod(before[first:i])) != (right := math.prod(after[second:j])):
            i, j = (i + 1, j) if left < right else (i, j + 1)
        signs_here = _group(layout[first:i], after[second:j], size)
        if signs_here is None:
            return None
        signs += signs_here
    return signs


def _group(signs: str, sizes: Sequence[int], size: tuple[int, int]) -> str | None:
    held = signs.replace(".", "")
    long = [n for n in sizes if n > 1]
    if not held:
        return "." * len(sizes)
    wanted = {1: "n" if held in ("rc", "n") else held, 2: "rc"}.get(len(long))
    fits = held in ("rc", "n") if wanted in ("rc", "n") else len(held) == 1
    if wanted is None or not fits or (wanted == "rc" and tuple(long) != size):
        return None
    rest = iter(wanted)
    return "".join(next(rest) if n > 1 else "." for n in sizes)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _two(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if _is_list(value) else (value, value)


def _scales(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[float, float] | None:
    """The factors of a resizing that was asked for by factors, in either of two spellings."""
    given = [*args, *kwargs.values()]
    factors = given[0] if given and _is_list(given[0]) else given
    return (factors[0], factors[1]) if len(factors) > 1 and all(factors) else None


SHAPE_ONLY = {aten.new_ones, aten.new_zeros, aten.new_full, aten.new_empty, aten.ones_like, aten.zeros_like}

RULES: Mapping[Any, Rule] = dict(
    chain(
        ((op, _same) for op in (aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten.clone)),
        ((op, _same) for op in (aten._to_copy, aten.detach, aten.alias, aten.hardswish, aten.hardswish_)),
        ((op, _pool) for op in (aten.max_pool2d_with_indices, aten.avg_pool2d)),
        ((op, _adaptive) for op in (aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d)),
        ((op, _view) for op in (aten.view, aten._unsafe_view, aten.unsqueeze, aten.squeeze)),
        ((op, _permute) for op in (aten.permute, aten.transpose, aten.t)),
        ((op, _reduce) for op in (aten.mean, aten.sum, aten.amax, aten.amin)),
        ((op, _product) for op in (aten.bmm, aten.mm, aten.addmm)),
        ((op, _join) for op in (aten.cat, aten.stack)),
        (
            (aten.convolution, _convolution),
            (aten.upsample_bilinear2d, _bilinear),
            (aten.upsample_nearest2d, _nearest),
            (aten.pixel_shuffle, _shuffle),
            (aten.constant_pad_nd, _pad("constant")),
            (aten.reflection_pad2d, _pad("reflect")),
            (aten.replication_pad2d, _pad("replicate")),
            (aten.slice, _slice),
            (aten.index_select, _index_select),
            (aten.expand, _expand),
            (aten._softmax, _softmax),
            (aten.native_layer_norm, _layer_norm),
        ),
    )
)
