"""Measuring the à-trous law: does a denser network, sampled on the coarse grid, compute the same?"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.backbones.survey import first_tensor, named_maps

Pooled = dict[str, list[Tensor]]


@torch.no_grad()
def law_deviations(strided: nn.Module, dense: nn.Module, image: Float[Tensor, "B C H W"]) -> dict[str, float]:
    """Relative difference, layer by layer and output by output, of the denser network on the coarse grid.

    Both networks run as float64 copies in eval mode on one image, whose size should divide by the strided network's
    output stride. What has been pooled to a single position (the input of squeeze-and-excitation gates and of a
    classifier) is held at the strided network's values. The difference is max |dense − strided| / max |strided|.
    """
    reference, pooled = _trace(strided, image, held=None)
    outputs, _ = _trace(dense, image, held=pooled)
    return {name: _difference(outputs[name], expected) for name, expected in reference.items()}


def _difference(dense: Tensor, strided: Tensor) -> float:
    step_h, step_w = (_step(d, s) for d, s in zip(dense.shape[-2:], strided.shape[-2:], strict=True))
    sampled = dense[..., ::step_h, ::step_w]
    if sampled.shape != strided.shape:
        return float("inf")
    return float((sampled - strided).abs().max() / strided.abs().max().clamp_min(1e-300))


def _step(dense: int, strided: int) -> int:
    """The power of two nearest to the ratio; sizes need not divide where a network pads or rounds up."""
    return 2 ** max(0, round(math.log2(dense / strided)))


def _trace(net: nn.Module, image: Tensor, held: Pooled | None) -> tuple[dict[str, Tensor], Pooled]:
    """The maps that leave each spatial layer and the network, and what entered the layers behind global pooling."""
    probe = copy.deepcopy(net).double().eval()
    maps: dict[str, Tensor] = {}
    pooled: Pooled = {}
    with _watching(probe, maps, pooled, held):
        result = probe(image.double())
    for name, output in named_maps(result).items():
        if output.ndim == 4 and output.shape[-2:] != (1, 1):
            maps[name] = output
    return maps, pooled


@contextmanager
def _watching(probe: nn.Module, maps: dict[str, Tensor], pooled: Pooled, held: Pooled | None) -> Iterator[None]:
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        def hold(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple, dict] | None:
            x = first_tensor(args, kwargs)
            if x is None or not (x.ndim == 2 or (x.ndim == 4 and x.shape[-2:] == (1, 1))):
                return None
            pooled.setdefault(name, []).append(x)
            return ((held[name][len(pooled[name]) - 1],), {}) if held is not None else None

        def keep(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if output.ndim == 4 and output.shape[-2:] != (1, 1) and not isinstance(module, nn.Linear):
                maps[name] = output

        handles.append(module.register_forward_pre_hook(hold, with_kwargs=True))
        handles.append(module.register_forward_hook(keep))

    for name, module in probe.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            watch(name, module)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
