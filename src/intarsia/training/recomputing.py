"""Gradient checkpointing: parts of the backbone are computed again on the way back, and hold nothing meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from intarsia.layers.freezing import statistics_kept

FEWEST = 2  # convolutions in a part: one alone would hold its input all the same


def recompute(backbone: nn.Module) -> None:
    """Let each stage of a backbone be computed twice in training.

    Chen et al., arXiv:1604.06174. Outputs, gradients and statistics are those of one computation: dropout draws the
    same again, and batch norms count a batch once. Names of weights stay.
    """
    for part in stages_of(backbone):
        part.forward = partial(_computed_twice, part, part.forward)


def stages_of(backbone: nn.Module) -> list[nn.Module]:
    """The outermost sequences of blocks; a backbone that names each layer, such as VGG, has none.

    >>> len(stages_of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))))
    0
    """
    return list(_stages(backbone))


def _stages(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        inner = list(child.children())
        is_sequence = isinstance(child, nn.Sequential) and any(_has_convolutions(block) for block in inner)
        if is_sequence and not all(isinstance(block, nn.Sequential) for block in inner):
            yield child
        elif _has_convolutions(child):  # EfficientNet's sequence of stages, which its forward goes through one by one
            yield from _stages(child)


def _has_convolutions(module: nn.Module) -> bool:
    return sum(isinstance(inner, nn.Conv2d) for inner in module.modules()) >= FEWEST


def _computed_twice(part: nn.Module, forward: Callable[..., Any], *inputs: Any) -> Any:
    if not (part.training and torch.is_grad_enabled()):
        return forward(*inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(part)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts)
