"""Gates: the number between 0 and 1 by which a block multiplies each channel."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from timm.layers.squeeze_excite import EffectiveSEModule, SEModule, SqueezeExciteCl
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn

from intarsia.diagnostics.attention_maps import blocks_of
from intarsia.diagnostics.watching import watched
from intarsia.layers import AttentionRefinement, FeatureFusion, SqueezeExcitation

_BY_TIMM = (SEModule, EffectiveSEModule, SqueezeExciteCl, SqueezeExcite)
GATED = (SqueezeExcitation, AttentionRefinement, FeatureFusion, *_BY_TIMM)


def gates(net: nn.Module, image: Float[Tensor, "1 _ _ _"]) -> dict[str, Float[np.ndarray, "_"]]:
    """The gates of every block that has some, by its name, for one image; a number a channel.

    Squeeze-and-excitation (arXiv:1709.01507, equation 3), in the form of this package or of timm's backbones; BiSeNet's
    attention refinement and feature fusion (arXiv:1808.00897, figure 2). Empty for a network without any.

    >>> from intarsia.layers import SqueezeExcitation
    >>> found = gates(nn.Sequential(SqueezeExcitation(32)), torch.randn(1, 32, 8, 8))
    >>> {name: values.shape for name, values in found.items()}
    {'0': (32,)}
    """
    paths = {name: _path(net.get_submodule(name), name) for name in blocks_of(net, GATED)}
    seen = watched(net, image, paths.values(), _gate)
    return {name: seen[path][0][0].flatten().float().cpu().numpy() for name, path in paths.items() if seen[path]}


def _path(block: nn.Module, name: str) -> str:
    """The module whose output the gates are; of our squeeze-and-excitation it is the block, which applies a sigmoid."""
    if isinstance(block, SqueezeExcitation):
        return name
    child = "attention" if isinstance(block, AttentionRefinement | FeatureFusion) else "gate"
    return f"{name}.{child}".lstrip(".")


@torch.no_grad()
def _gate(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    if isinstance(module, SqueezeExcitation):
        means = inputs[0].mean((-2, -1), keepdim=True)
        return module.excite(module.relu(module.squeeze(means))).sigmoid()
    return output
