"""Beginning from what another network has learned."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from intarsia.backbones.pretrained import read_state_dict
from intarsia.errors import ArgumentError
from intarsia.models.layouts import LAYOUTS


def warm_start(net: nn.Module, source: nn.Module | Mapping[str, Tensor] | str | Path) -> tuple[str, ...]:
    """Copy all tensors that agree with those of ``net`` in name and shape; give the names of those that stay new.

    ``source`` is a network, a state dict, or a file of weights, in our names or those of the repositories that
    :func:`intarsia.load_weights` knows. FCN is trained so, 32s → 16s → 8s (arXiv:1605.06211, section 4.2): each net
    begins with the coarser one's weights, and its new score layer is zero, so that it begins with the coarser answer. A
    network for other classes keeps its new head.

    Raises:
        ArgumentError: no tensor agrees.
        DataError: the file cannot be read.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    >>> warm_start(net, nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 9, 1)))
    ('1.weight', '1.bias')
    """
    state = _state_of(source)
    readings = (layout.read(state) for layout in LAYOUTS)
    state = next((reading.tensors for reading in readings if reading is not None), state)
    own = net.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise ArgumentError(
            f"None of the {len(state)} tensors to start from ({', '.join(list(state)[:3])}, …) agrees in name and "
            f"shape with one of the network's ({', '.join(list(own)[:3])}, …); start from weights of the same system."
        )
    with torch.no_grad():
        net.load_state_dict(fitting, strict=False)
    return tuple(name for name in own if name not in fitting)


def _state_of(source: nn.Module | Mapping[str, Tensor] | str | Path) -> Mapping[str, Tensor]:
    if isinstance(source, nn.Module):
        return source.state_dict()
    if isinstance(source, (str, Path)):
        return read_state_dict(Path(source))
    return {name.removeprefix("module."): tensor for name, tensor in source.items()}
