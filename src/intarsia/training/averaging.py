"""Running means of weights: they lie nearer to the middle of where a training wanders than its last weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor, nn

Average = dict[str, Tensor]

_FIRST: Mapping[str, int] = MappingProxyType({})  # all means began before the first step


def begin_average(net: nn.Module, before: Average | None = None) -> Average:
    """The running mean before a step: the network's own numbers, or those of ``before`` that fit by name."""
    before = before or {}
    own = {name: tensor.detach() for name, tensor in net.state_dict().items() if tensor.is_floating_point()}
    fits = {name: name in before and before[name].shape == tensor.shape for name, tensor in own.items()}
    return {name: (before[name] if fits[name] else tensor).clone() for name, tensor in own.items()}


def begun_anew(average: Average, before: Average, step: int) -> dict[str, int]:
    """Behind which step the means began that are not those of ``before`` going on."""
    return {n: step for n, mean in average.items() if n not in before or before[n].shape != mean.shape}


@torch.no_grad()
def follow(average: Average, net: nn.Module, step: int, decay: float, begun: Mapping[str, int] = _FIRST) -> None:
    """``average ← d · average + (1 − d) · net`` behind a step t from 1 on; d = min(decay, (1 + t) / (10 + t)).

    A mean that began behind a later step counts its own steps t; ``begun`` names these.

    Polyak and Juditsky, SIAM J. Control Optim. 30 (1992), with weights that fall exponentially. While there are few
    steps, d is smaller, as in TensorFlow's, so that the random beginning is forgotten at once. Statistics of batch
    norms are averaged like weights.
    """
    own = net.state_dict()
    for first in {0, *begun.values()}:
        names, t = [name for name in average if begun.get(name, 0) == first], step - first
        if names:
            kept = min(decay, (1 + t) / (10 + t))
            torch._foreach_lerp_([average[name] for name in names], [own[name] for name in names], 1 - kept)


@contextmanager
def in_place(average: Average, net: nn.Module) -> Iterator[None]:
    """The network with the averaged numbers; behind it each has its own again, bit by bit."""
    _swap(average, net)
    try:
        yield
    finally:
        _swap(average, net)


@torch.no_grad()
def _swap(average: Average, net: nn.Module) -> None:
    own = net.state_dict()
    for name, mean in average.items():
        kept = own[name].clone()
        own[name].copy_(mean)
        mean.copy_(kept)
