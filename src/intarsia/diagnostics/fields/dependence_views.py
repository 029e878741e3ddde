"""Tensors that share memory: what is written into one is in the others too."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from intarsia.diagnostics.fields.dependence_links import Link, Positions, all_taps


class Sharing:
    """Which of the tensors seen so far lie in the same memory; it keeps them, so that no memory is used twice."""

    def __init__(self) -> None:
        self._tensors: defaultdict[int, dict[int, Tensor]] = defaultdict(dict)

    def see(self, tensors: Iterable[Tensor]) -> None:
        """Remember tensors."""
        for tensor in tensors:
            self._tensors[_memory(tensor)][id(tensor)] = tensor

    def others(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that lie in a tensor's memory, without itself."""
        return [other for key, other in self._tensors[_memory(tensor)].items() if key != id(tensor)]


def written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors into which an operation writes: arguments that its schema marks so."""
    if not func._schema.is_mutable:
        return []
    arguments = func._schema.arguments
    values = {argument.name: value for argument, value in zip(arguments, args, strict=False)} | dict(kwargs)
    targets = [values.get(a.name) for a in arguments if a.alias_info is not None and a.alias_info.is_write]
    return [leaf for leaf in tree_leaves(targets) if isinstance(leaf, Tensor)]


def overwritten(
    tensor: Tensor, before: tuple[int, Positions] | None, part: Tensor, source: int, positions: Positions
) -> Positions:
    """A tensor behind writing into ``part`` of its memory, where map ``source`` now stands.

    Where the part is some of its channels, each position reads its own of what was written; else it reads everything.
    """
    if before is None:
        links: tuple[Link, ...] = ()
    else:
        index, old = before
        if _is_channels(tensor, old, part, positions):
            return Positions(old.rows, old.columns, old.layout, (Link(index), Link(source)))
        links = (Link(index, all_taps(old.rows), all_taps(old.columns), whole=old.rows * old.columns > 1),)
    every = Link(source, all_taps(positions.rows), all_taps(positions.columns), whole=True)
    return Positions(1, 1, "." * tensor.ndim, (*links, every))


def _is_channels(tensor: Tensor, old: Positions, part: Tensor, positions: Positions) -> bool:
    apart = part.storage_offset() - tensor.storage_offset()
    return bool(
        (old.rows, old.columns, old.layout) == (positions.rows, positions.columns, positions.layout)
        and old.layout.endswith("rc")
        and tensor.is_contiguous()
        and part.stride()[-2:] == tensor.stride()[-2:]
        and int(apart) % (old.rows * old.columns) == 0
    )


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
