"""Parts of a network that stay as they are while the rest learns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from intarsia.errors import ArgumentError


def batch_norms(net: nn.Module) -> dict[str, _BatchNorm]:
    """Every batch norm by its name.

    >>> list(batch_norms(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))))
    ['1']
    """
    return {name: module for name, module in net.named_modules() if isinstance(module, _BatchNorm)}


def part_of(net: nn.Module, name: str) -> nn.Module:
    """The part of that name.

    Raises:
        ArgumentError: there is no such part.

    >>> part_of(nn.Sequential(nn.ReLU()), "body")
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: `freeze` (='body') names no part of Sequential; it has 0.
    """
    parts = {own: part for own, part in net.named_modules() if own}
    if name not in parts:
        near = get_close_matches(name, parts, n=3, cutoff=0.6)
        known = f"the nearest is {near[0]}" if near else f"it has {', '.join(name for name, _ in net.named_children())}"
        raise ArgumentError(f"`freeze` (={name!r}) names no part of {type(net).__name__}; {known}.")
    return parts[name]


def stay_still(net: nn.Module, names: Sequence[str]) -> None:
    """Put the parts of these names into evaluation mode, as behind every change of the whole network's mode.

    A batch norm that is still normalises by its statistics and does not move them; a dropout that is still drops
    nothing.
    """
    for name in names:
        net.get_submodule(name).eval()


def freeze_parts(net: nn.Module, parts: Sequence[str], norms: bool | str) -> tuple[str, ...]:
    """Take parts and batch norms out of the learning; give the names of what has to stay still.

    Args:
        net: the network; its gradients are switched, its mode is not.
        parts: names of parts, of which every weight stays.
        norms: True for all batch norms, "statistics" to let their scales and shifts go on learning.

    Raises:
        ArgumentError: there is no such part, or nothing is left that learns.
    """
    for name in parts:
        part_of(net, name).requires_grad_(False)
    still = batch_norms(net) if norms else {}
    if norms is True:
        for norm in still.values():
            norm.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise ArgumentError(f"`freeze` (={','.join(parts)!r}) leaves nothing that learns; freeze fewer parts.")
    return (*parts, *still)


@contextmanager
def statistics_kept(net: nn.Module) -> Iterator[None]:
    """Batch norms normalise by each batch as in training, and their statistics stay what they are, bit by bit.

    >>> norm = nn.BatchNorm2d(1)
    >>> with statistics_kept(norm):
    ...     _ = norm(torch.ones(1, 1, 2, 2))
    >>> norm.running_mean, norm.num_batches_tracked
    (tensor([0.]), tensor(0))
    """
    norms = [norm for norm in batch_norms(net).values() if norm.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # without statistics at all the kernels would keep other tensors for the way back
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
