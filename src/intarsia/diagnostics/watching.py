"""Looking into a network while it computes: modules' inputs and outputs, recorded by hooks that do not stay."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

Keep = Callable[[nn.Module, tuple[Any, ...], Any], Any]


def output_of(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    """What the module gave."""
    return output


def input_of(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    """The first of what the module took."""
    return inputs[0]


@contextmanager
def watching(net: nn.Module, names: Iterable[str], keep: Keep = output_of) -> Iterator[dict[str, list[Any]]]:
    """Record modules of ``net``, by their names, while the block runs; their hooks are removed in any case.

    Args:
        net: the network that holds the modules.
        names: of modules, as ``net.named_modules()`` has them.
        keep: from the module, its inputs and its output to what is kept. It is called when the module has finished,
            and what it gives is copied: a later layer may work in place.

    Yields:
        A dict that fills while the network runs: for each name a list, one entry a call of the module.

    Raises:
        AttributeError: there is no module of such a name.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    >>> with watching(net, ["0"]) as seen:
    ...     _ = net(torch.ones(1, 1, 2, 2))
    >>> seen["0"][0].shape
    torch.Size([1, 2, 2, 2])
    """
    seen: dict[str, list[Any]] = {name: [] for name in names}
    handles = []

    def watch(name: str) -> None:
        def record(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            seen[name].append(tree_map_only(Tensor, Tensor.clone, keep(module, inputs, output)))

        handles.append(net.get_submodule(name).register_forward_hook(record))

    try:
        for name in seen:
            watch(name)
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def watched(net: nn.Module, images: Tensor, names: Iterable[str], keep: Keep = output_of) -> dict[str, list[Any]]:
    """What :func:`watching` records of one pass over the images, without gradients."""
    with watching(net, names, keep) as seen:
        net(images)
    return seen
