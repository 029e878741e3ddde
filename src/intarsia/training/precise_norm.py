"""Batch norm's statistics, measured anew with the weights as they are."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from intarsia.layers.freezing import batch_norms, statistics_kept

Sums = dict[_BatchNorm, Tensor]


@torch.no_grad()
def measure_statistics(
    net: nn.Module, batches: Iterable[Tensor], add_up: Callable[[Tensor], Tensor] = lambda sums: sums
) -> None:
    """Give every batch norm that learns its statistics those of all values that reach it in these batches.

    The running mean of a training lags behind its weights; this is the mean over ``batches`` as one (Wu and Johnson,
    arXiv:2105.07576, section 3), each normalised by itself as in training. Random states stay what they were.

    Args:
        net: the network, whose mode is left as training.
        batches: what the network takes, (B, C, H, W) each.
        add_up: adds sums of this process to those of the others.
    """
    net.train()
    norms = [norm for norm in batch_norms(net).values() if norm.training and norm.running_mean is not None]
    sums: Sums = {}
    hooks = [norm.register_forward_pre_hook(lambda norm, inputs: _count(sums, norm, inputs[0])) for norm in norms]
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices), statistics_kept(net):  # dropout draws
            for images in batches:
                net(images)
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        if norm in sums:
            _set(norm, add_up(sums[norm]))


def _count(sums: Sums, norm: Any, values: Tensor) -> None:
    """Add the number of values a channel, their sum and their sum of squares, (3, C)."""
    by_channel = values.detach().transpose(0, 1).flatten(1).double()
    count = torch.full_like(by_channel[:, 0], by_channel.shape[1])
    own = torch.stack([count, by_channel.sum(1), by_channel.square().sum(1)])
    sums[norm] = sums[norm] + own if norm in sums else own


def _set(norm: _BatchNorm, sums: Tensor) -> None:
    count, total, squares = sums
    mean = total / count
    variance = (squares / count - mean.square()).clamp_min(0) * count / (count - 1).clamp_min(1)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
