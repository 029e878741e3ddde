"""Operations that only lay positions out otherwise, or mix what belongs to one position."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from intarsia.diagnostics.fields.dependence_links import (
    Before,
    Link,
    Positions,
    first_argument,
    is_list,
    largest_of,
    own_links,
    same,
)


def reduce(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Sums, means and maxima over dimensions that are no positions."""
    first = first_argument(before, args)
    if first is None or len(args) < 2 or args[1] is None:
        return None
    index, p = first
    over = {d % len(p.layout) for d in (args[1] if is_list(args[1]) else [args[1]])}
    if any(p.layout[d] != "." for d in over):
        return None
    kept = "".join(sign for d, sign in enumerate(p.layout) if out.ndim == len(p.layout) or d not in over)
    return Positions(p.rows, p.columns, kept, (Link(index),))


def join(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Concatenation and stacking along channels, also with what is the same for all positions."""
    largest = largest_of(before)
    dimension = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.ndim
    layout = largest.layout
    if any(p.layout != layout for _, p in before.values() if p.rows * p.columns > 1):
        return None
    if out.ndim > len(layout):
        layout = layout[:dimension] + "." + layout[dimension:]
    return Positions(largest.rows, largest.columns, layout, own_links(before)) if layout[dimension] == "." else None


def permute(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Dimensions in another order."""
    index, p = next(iter(before.values()))
    order = list(range(len(p.layout)))
    if is_list(args[1] if len(args) > 1 else None):
        order = [d % len(order) for d in args[1]]
    else:
        a, b = args[1:3] if len(args) > 2 else (0, -1)
        order[a], order[b] = order[b], order[a]
    return Positions(p.rows, p.columns, "".join(p.layout[d] for d in order), (Link(index),))


def view(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Dimensions merged and split."""
    index, p = next(iter(before.values()))
    layout = reshaped(args[0].shape, p.layout, out.shape, (p.rows, p.columns))
    return None if layout is None else Positions(p.rows, p.columns, layout, (Link(index),))


def expand(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions:
    """Dimensions repeated without a copy; what had one position still has one."""
    index, p = next(iter(before.values()))
    return Positions(p.rows, p.columns, "." * (out.ndim - len(p.layout)) + p.layout, (Link(index),))


def softmax(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Over what is no position."""
    first = first_argument(before, args)
    return None if first is None or first[1].layout[args[1]] != "." else same(before, args, kwargs, out, known)


def layer_norm(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """Over trailing dimensions that are no positions."""
    first = first_argument(before, args)
    if first is None or set(first[1].layout[-len(args[1]) :]) != {"."}:
        return None
    return same(before, args, kwargs, out, known)


def product(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
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
