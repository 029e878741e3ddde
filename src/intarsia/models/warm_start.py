"""Beginning from what another network has learned."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from intarsia.backbones.pretrained import named_tensors, read_state_dict
from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.models.layouts import LAYOUTS, Reading
from intarsia.models.segmentation_network import SegmentationNetwork


def warm_start(net: nn.Module, source: nn.Module | Mapping[str, Tensor] | str | Path) -> tuple[str, ...]:
    """Copy all tensors that agree with those of ``net`` in name and shape; give the names of those that stay new.

    ``source`` is a network, a state dict, or a file of weights, in our names or those of the repositories that
    :func:`intarsia.load_weights` knows. FCN is trained so, 32s → 16s → 8s (arXiv:1605.06211, section 4.2): each net
    begins with the coarser one's weights, and its new score layer is zero, so that it begins with the coarser answer. A
    network for other classes keeps its new head. A warning says where the weights come from another form.

    Raises:
        ArgumentError: no tensor agrees.
        DataError: the file cannot be read.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    >>> warm_start(net, nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 9, 1)))
    ('1.weight', '1.bias')
    """
    state = _state_of(source)
    reading = next((reading for layout in LAYOUTS if (reading := layout(state))), None)
    if reading is not None:
        _warn_of_differences(net, reading)
        state = reading.tensors
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


def _warn_of_differences(net: nn.Module, reading: Reading) -> None:
    """What the same numbers computed in the network that they come from, and do not compute here."""
    given = net.blueprint if isinstance(net, SegmentationNetwork) else None
    if given is not None and (given.model, given.form) != (reading.blueprint.model, reading.blueprint.form):
        theirs = f"The weights were made for {reading.blueprint}, and start {given}, which computes otherwise. "
    else:
        theirs = ""
    if theirs or reading.note:
        warnings.warn(f"{theirs}{reading.note}".strip(), IntarsiaWarning, stacklevel=3)


def _state_of(source: nn.Module | Mapping[str, Tensor] | str | Path) -> Mapping[str, Tensor]:
    if isinstance(source, nn.Module):
        return source.state_dict()
    if isinstance(source, (str, Path)):
        return read_state_dict(Path(source))
    return named_tensors(source, "`source`")
