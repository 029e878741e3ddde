"""Putting a block, such as squeeze-and-excitation or non-local attention, behind a stage of any backbone."""

import torch
from torch import Tensor, nn

from intarsia.backbones.backbone import Backbone
from intarsia.backbones.survey import bare_copy, source_of_map
from intarsia.errors import ArgumentError

NAME = "attention"
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
POSITIONS = 16  # a side of the map on which a block is tried


def insert_after_stage(backbone: Backbone, nominal_stride: int, block: nn.Module) -> None:
    """Apply ``block`` to the deepest map of that nominal stride, before the next stage sees it.

    The block becomes the submodule ``attention`` of the module that gives the map, in ``backbone`` itself; its
    parameters are found under that name. It must keep the map's shape.

    Raises ``ArgumentError`` where the backbone has no such stage or has a block there, where no module gives the map or
    one that has no place for a block (DenseNet's), and for a block that changes the shape.

    >>> from intarsia.backbones import create_backbone
    >>> backbone = create_backbone("resnet18")
    >>> insert_after_stage(backbone, 16, nn.Conv2d(256, 256, 1))
    >>> backbone.get_submodule("body.layer3.attention")
    Conv2d(256, 256, kernel_size=(1, 1), stride=(1, 1))
    """
    index = backbone.spec.index_of(nominal_stride)
    where = f"stage {nominal_stride} of backbone `{backbone.spec.name}`"
    _check_shape(block, backbone.spec.channels[index], where)
    name = source_of_map(backbone.body, index)
    if name is None:
        raise ArgumentError(f"No single module gives the map of {where}, so that no block can be put behind it.")
    stage = backbone.body.get_submodule(name)
    if NAME in dict(stage.named_children()):
        raise ArgumentError(f"There is a block behind {where} already; put both into one nn.Sequential.")
    in_a_chain = type(stage).forward is nn.Sequential.forward  # which runs what it holds one after the other
    if isinstance(stage, CONTAINERS) and not in_a_chain:
        raise ArgumentError(
            f"The map of {where} comes from `{name}` ({type(stage).__name__}), which calls all that it holds in its "
            "own way and leaves no place for a block; choose another stage."
        )
    stage.add_module(NAME, block)
    if not in_a_chain:
        stage.register_forward_hook(_attend, prepend=True)  # before timm's own hooks, which collect the maps


def _attend(stage: nn.Module, _args: tuple[object, ...], output: Tensor) -> Tensor:
    """A function of the module alone, so that copies of the stage use their own block."""
    return stage.get_submodule(NAME)(output)


@torch.no_grad()
def _check_shape(block: nn.Module, channels: int, where: str) -> None:
    map_ = torch.empty(1, channels, POSITIONS, POSITIONS, device="meta")
    try:
        shape = tuple(bare_copy(block)(map_).shape)
    except RuntimeError as error:
        raise ArgumentError(
            f"{type(block).__name__} does not fit behind {where} ({channels} channels): {error}"
        ) from error
    if shape != tuple(map_.shape):
        raise ArgumentError(
            f"{type(block).__name__} behind {where} gives {shape} for {tuple(map_.shape)}; it must keep the shape."
        )
