"""Weights into networks: our own names, or those of the repositories in :mod:`intarsia.models.layouts`."""

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from intarsia.backbones.pretrained import named_tensors, read_state_dict
from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.models.blueprint import Blueprint
from intarsia.models.catalog import entry
from intarsia.models.create import create_model
from intarsia.models.layouts import LAYOUTS, Layout, Reading
from intarsia.models.segmentation_network import SegmentationNetwork

LISTED = 8  # names in a refusal
COUNTER = "num_batches_tracked"
REFINER = "refiner."


def load_weights(net: SegmentationNetwork, source: str | Path | Mapping[str, Tensor]) -> SegmentationNetwork:
    """Fill a network from a file (safetensors, or ``.pth`` by the reader that executes nothing) or a state dict.

    The names may be our own or those of torchvision, segmentation_models_pytorch, fyu/drn, CoinCheung/BiSeNet,
    ycszen/TorchSeg, hszhao/semseg, junfu1115/DANet, wkentaro/pytorch-fcn, kazuto1011/deeplab-pytorch or
    XinJCheng/CSPN, with or without ``module.`` before them. If those weights belong to another form, backbone or number
    of classes of the same system, a network that fits them is built and returned, with a warning that says what
    differs; otherwise ``net`` itself is filled and returned: take what is returned. What a repository's weights do not
    tell, such as smp's output stride and rates, is kept as ``net`` has it, with a warning. Our own names tell nothing
    of a form: ``net`` must be of theirs.
    A network with a refiner takes the weights of one without; the refiner stays as it is, with a warning.

    Raises:
        ArgumentError: the layout is unknown, the weights belong to another system, or some do not fit; with a list.
        DataError: the file cannot be read.

    >>> net = create_model("unet", "resnet18", classes=3)
    >>> load_weights(net, net.state_dict()) is net
    True
    """
    mapping = not isinstance(source, (str, Path))
    state = named_tensors(source, "`source`") if mapping else read_state_dict(Path(source))
    if _unrefined(state) == _unrefined(net.state_dict()):
        return _filled(net, state, "The weights")
    layout, reading = _recognised(state)
    fitting = _fitting(net, layout, reading)
    return _filled(fitting, reading.tensors, f"The weights of {layout.repository}")


def network_of(state: Mapping[str, Tensor]) -> SegmentationNetwork:
    """The network that weights of another repository are for, filled with them.

    Raises:
        ArgumentError: the layout is unknown, or some of the weights do not fit; with a list.
    """
    layout, reading = _recognised(state)
    return _filled(build(reading.blueprint), reading.tensors, f"The weights of {layout.repository}")


def build(blueprint: Blueprint) -> SegmentationNetwork:
    """The network of a blueprint, with untrained weights."""
    return create_model(
        blueprint.model,
        blueprint.backbone,
        blueprint.classes,
        blueprint.output_stride,
        blueprint.in_channels,
        form=blueprint.form,
        auxiliary=blueprint.auxiliary,
        refiner=blueprint.refiner,
        refiner_options=blueprint.refiner_options,
        **blueprint.options,
    )


def _recognised(state: Mapping[str, Tensor]) -> tuple[Layout, Reading]:
    for layout in LAYOUTS:
        reading = layout(state)
        if reading is not None:
            return layout, reading
    known = ", ".join(layout.repository for layout in LAYOUTS)
    raise ArgumentError(
        f"The names of the {len(state)} tensors ({', '.join(list(state)[:3])}, …) are neither this network's nor "
        f"those of {known}; give weights of one of these, or rename them."
    )


def _fitting(net: SegmentationNetwork, layout: Layout, reading: Reading) -> SegmentationNetwork:
    """``net`` itself, or a network of the same system that the weights fit."""
    wanted, given = reading.blueprint, net.blueprint
    if given is not None:
        wanted = replace(wanted, refiner=given.refiner, refiner_options=given.refiner_options)
    if given is not None and given.model != wanted.model:
        raise ArgumentError(
            f"These are weights of {layout.repository} for {wanted}, and the network is {given.model}; "
            f"`create_model({wanted.model!r})` makes one that takes them."
        )
    note = f" {reading.note}" if reading.note else ""
    differing = {"all"} if given is None else _differing(given, wanted)
    if not differing:
        if note:
            warnings.warn(f"The weights are those of {layout.repository}.{note}", IntarsiaWarning, stacklevel=3)
        return net
    if (
        given is not None
        and _differing(given, wanted) <= reading.untold
        and _shapes(net.state_dict()) == _shapes(reading.tensors)
    ):
        untold = " and ".join(sorted(reading.untold))
        warnings.warn(
            f"Weights of {layout.repository} do not tell {untold}: those of the network are kept ({given}).{note}",
            IntarsiaWarning,
            stacklevel=3,
        )
        return net
    warnings.warn(
        f"The weights of {layout.repository} are for {wanted}; the network that is returned is that one, not the one "
        f"given ({given}).{note}",
        IntarsiaWarning,
        stacklevel=3,
    )
    own = next(net.parameters())
    return build(wanted).to(own.device, own.dtype).train(net.training)


def _differing(given: Blueprint, wanted: Blueprint) -> set[str]:
    """The fields in which they differ; forms of two names may be one."""
    differing = {f.name for f in fields(Blueprint) if getattr(given, f.name) != getattr(wanted, f.name)}
    forms = entry(wanted.model).forms
    return differing - ({"form"} if forms[given.form] == forms[wanted.form] else set())


def _names(state: Mapping[str, Tensor]) -> set[str]:
    """Without the counters of batch norms, which files older than PyTorch 0.4.1 do not have."""
    return {name for name in state if not name.endswith(COUNTER)}


def _unrefined(state: Mapping[str, Tensor]) -> set[str]:
    return {name for name in _names(state) if not name.startswith(REFINER)}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: state[name].shape for name in _unrefined(state)}


def _filled(net: SegmentationNetwork, state: Mapping[str, Tensor], whose: str) -> SegmentationNetwork:
    own = net.state_dict()
    if net.refiner is not None and not any(name.startswith(REFINER) for name in state):
        warnings.warn(f"{whose} have no refiner; that of the network stays as it is.", IntarsiaWarning, stacklevel=3)
        state = {**{name: own[name] for name in own if name.startswith(REFINER)}, **state}
    state = {**{name: own[name] for name in own if name.endswith(COUNTER)}, **state}
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    found = {"missing": missing, "not in the network": unknown, "of another shape": shapes}
    wrong = [f"{len(names)} {what}: {_listed(names)}" for what, names in found.items() if names]
    if wrong:
        raise ArgumentError(
            f"{whose} do not fit {net.blueprint}: {'; '.join(wrong)}. Choose the network they were for."
        )
    with torch.no_grad():
        net.load_state_dict(dict(state))
    return net


def _listed(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")
