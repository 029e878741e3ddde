"""Gradient checkpointing changes neither outputs nor gradients nor statistics."""

import copy
from pathlib import Path

import pytest
import torch
from tiny import run_tiny
from torch import Tensor, nn

from intarsia.backbones import create_backbone
from intarsia.errors import ArgumentError
from intarsia.training.recomputing import recompute, stages_of

BACKBONES = [("test_resnet", 4), ("tf_efficientnet_lite0", 7), ("xception39", 3), ("convnext_atto", 4)]


def drop(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Dropout behind any layer."""
    return nn.functional.dropout(output, 0.3)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("name", "stages"), BACKBONES)
def test_gradients_and_statistics_are_the_same(name: str, stages: int) -> None:
    plain = create_backbone(name, 16).train()
    for module in plain.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(drop)
    twice = copy.deepcopy(plain)
    assert len(stages_of(twice)) == stages
    recompute(twice)
    images = torch.randn(2, 3, 64, 64)
    for net in (plain, twice):
        torch.manual_seed(0)
        torch.stack([map_.square().mean() for map_ in net(images)]).sum().backward()
    for (own, parameter), other in zip(plain.named_parameters(), twice.parameters(), strict=True):
        assert parameter.grad is not None, own
        assert other.grad is not None
        assert torch.equal(parameter.grad, other.grad), own
    buffers = dict(twice.named_buffers())
    assert all(torch.equal(buffer, buffers[n]) for n, buffer in plain.named_buffers())
    assert twice.state_dict().keys() == plain.state_dict().keys()


def test_less_is_held() -> None:
    """Tensors kept for the way back, in bytes."""

    def held(net: nn.Module) -> int:
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            net(torch.randn(2, 3, 96, 96))
        return sum(sizes.values())

    plain = create_backbone("resnet18").train()
    twice = copy.deepcopy(plain)
    recompute(twice)
    assert held(twice) < 0.6 * held(plain)


def test_a_backbone_without_stages_is_refused(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"`checkpointing` .=True. finds no stages in backbone `vgg16`"):
        run_tiny(discs, tmp_path / "run", model="fcn32s", backbone="vgg16", options={}, checkpointing=True)
