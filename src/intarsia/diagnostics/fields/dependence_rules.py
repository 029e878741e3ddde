"""For each operation of PyTorch: which positions of its inputs a position of its output reads."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intarsia.diagnostics.fields import dependence_layout as layout
from intarsia.diagnostics.fields import taps as t
from intarsia.diagnostics.fields.dependence_links import (
    Before,
    Link,
    Positions,
    Rule,
    first_argument,
    is_list,
    pointwise,
    same,
)
from intarsia.diagnostics.fields.taps import Taps

aten = torch.ops.aten


def _convolution(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = first_argument(before, args)
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
    names = ("kernel_size", "stride", "padding", "dilation" if len(args) > 4 and is_list(args[4]) else "ceil_mode")
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
    align_corners = bool(args[2])
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
        first = first_argument(before, args)
        if first is None or set(args[1][4:]) - {0} or first[1].layout[-2:] != "rc":
            return None
        sides = [*args[1], 0, 0, 0, 0]
        return _moved(
            before, args, out, lambda n, size, axis: t.padding_taps(n, sides[2 - 2 * axis], sides[3 - 2 * axis], mode)
        )

    return rule


def _moved(
    before: Before, args: Sequence[Any], out: Tensor, taps: Callable[[int, int, int], Taps], whole: bool = False
) -> Positions | None:
    """A map of other rows and columns in the same layout."""
    first = first_argument(before, args)
    if first is None or first[1].layout[-2:] != "rc" or len(before) > 1:
        return None
    index, p = first
    rows, columns = taps(p.rows, out.shape[-2], 0), taps(p.columns, out.shape[-1], 1)
    return Positions(out.shape[-2], out.shape[-1], p.layout, (Link(index, rows, columns, whole),))


def _slice(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    dimension = args[1] if len(args) > 1 else 0
    start, end, step = (*args[2:], *(None, None, 1)[max(0, len(args) - 2) :])
    first = first_argument(before, args)
    if first is None:
        return None
    return _picked(*first, dimension, np.arange(args[0].shape[dimension])[None, start:end:step])


def _index_select(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    first = first_argument(before, args)
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


def _two(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if is_list(value) else (value, value)


def _scales(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[float, float] | None:
    """The factors of a resizing that was asked for by factors, in either of two spellings."""
    given = [*args, *kwargs.values()]
    factors = given[0] if given and is_list(given[0]) else given
    return (factors[0], factors[1]) if len(factors) > 1 and all(factors) else None


SHAPE_ONLY = {aten.new_ones, aten.new_zeros, aten.new_full, aten.new_empty, aten.ones_like, aten.zeros_like}

RULES: Mapping[Any, Rule] = dict(
    chain(
        ((op, same) for op in (aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten.clone)),
        ((op, same) for op in (aten._to_copy, aten.detach, aten.alias, aten.hardswish, aten.hardswish_)),
        ((op, _pool) for op in (aten.max_pool2d_with_indices, aten.avg_pool2d)),
        ((op, _adaptive) for op in (aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d)),
        ((op, layout.view) for op in (aten.view, aten._unsafe_view, aten.unsqueeze, aten.squeeze)),
        ((op, layout.permute) for op in (aten.permute, aten.transpose, aten.t)),
        ((op, layout.reduce) for op in (aten.mean, aten.sum, aten.amax, aten.amin)),
        ((op, layout.product) for op in (aten.bmm, aten.mm, aten.addmm)),
        ((op, layout.join) for op in (aten.cat, aten.stack)),
        (
            (aten.copy_, pointwise),
            (aten.convolution, _convolution),
            (aten.upsample_bilinear2d, _bilinear),
            (aten.upsample_nearest2d, _nearest),
            (aten.pixel_shuffle, _shuffle),
            (aten.constant_pad_nd, _pad("constant")),
            (aten.reflection_pad2d, _pad("reflect")),
            (aten.replication_pad2d, _pad("replicate")),
            (aten.slice, _slice),
            (aten.index_select, _index_select),
            (aten.expand, layout.expand),
            (aten._softmax, layout.softmax),
            (aten.native_layer_norm, layout.layer_norm),
        ),
    )
)
