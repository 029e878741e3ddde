"""What a map reads of earlier maps, and the rules that hold for most operations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor

from intarsia.diagnostics.fields.taps import Taps, all_taps, read_by

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
    links = [Link(i, all_taps(p.rows), all_taps(p.columns), whole=p.rows * p.columns > 1) for i, p in before.values()]
    return Positions(1, 1, "." * out.ndim, tuple(links))


def pointwise(before: Before, args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor, known: Any) -> Positions:
    """Each position reads its own; a map of one position is read by all, and one that lies otherwise as a whole."""
    layouts = {p.layout.rjust(out.ndim, ".") for _, p in before.values() if p.rows * p.columns > 1}
    if len(layouts) > 1:
        return whole(before, args, kwargs, out, known)
    rows, columns = (max(sizes) for sizes in zip(*((p.rows, p.columns) for _, p in before.values()), strict=True))
    links = tuple(Link(i, _spread(p.rows, rows), _spread(p.columns, columns)) for i, p in before.values())
    return Positions(rows, columns, layouts.pop() if layouts else "." * out.ndim, links)


def largest_of(before: Before) -> Positions:
    """The input with the most positions."""
    return max((p for _, p in before.values()), key=lambda p: p.rows * p.columns)


def own_links(before: Before) -> tuple[Link, ...]:
    """Each position reads its own of every input; one that has a single position is read by all."""
    largest = largest_of(before)
    return tuple(
        Link(i, _spread(p.rows, largest.rows), _spread(p.columns, largest.columns)) for i, p in before.values()
    )


def _spread(rows: int, wanted: int) -> Taps | None:
    return None if rows == wanted else np.zeros((1, wanted), dtype=np.int64)


def first_argument(before: Before, args: Sequence[Any]) -> tuple[int, Positions] | None:
    """The first argument, if it comes from the image."""
    return before.get(id(args[0]))


def same(before: Before, args: Sequence[Any], kwargs: Any, out: Tensor, known: Any) -> Positions | None:
    """The first argument, in its own layout; of tensors beside the result, such as statistics, nothing is said."""
    first = first_argument(before, args)
    if first is None or out.shape != args[0].shape or len(before) > 1:
        return None
    return Positions(first[1].rows, first[1].columns, first[1].layout, (Link(first[0]),))


def is_list(value: Any) -> bool:
    """Whether an argument is given for each axis."""
    return isinstance(value, (list, tuple))
