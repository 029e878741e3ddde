"""Refiners that learn behind a network that does not."""

from typing import Any

import pytest
import torch
from torch import Tensor

from intarsia.diagnostics.anatomy.complexity import complexity
from intarsia.errors import ArgumentError
from intarsia.models import SegmentationNetwork, create_model


def unet(classes: int = 4, **more: Any) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model("unet", "test_resnet", classes, widths=(8, 8, 8, 8, 8), **more)


def test_frozen_it_learns_alone() -> None:
    net = unet(refiner="spn", auxiliary=True)
    net.freeze()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(2):
        logits = net.train()(torch.randn(2, 3, 33, 47))
        assert isinstance(logits, Tensor)  # nothing auxiliary is learned
        logits.square().mean().backward()
        optimiser.step()
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[0] for name in changed} == {"refiner"}
    assert "refiner.trunk.norm.running_mean" in changed
    assert not net.eval().refiner.training


def test_counting_leaves_a_frozen_network_in_its_modes() -> None:
    net = unet(refiner="cspn").train()
    net.freeze()
    complexity(net, 32, 32)
    assert [net.training, net.backbone.training, net.refiner and net.refiner.training] == [False, False, True]


def test_a_fixed_layer_of_a_refiner_stays_fixed_when_the_rest_is_frozen() -> None:
    net = unet(refiner="spn", refiner_options={"form": "paper"})
    net.freeze()
    assert not net.get_parameter("refiner.doubling.weight").requires_grad


def test_nothing_learns_in_a_frozen_network_without_a_refiner() -> None:
    with pytest.raises(ArgumentError, match="has no refiner that could learn while it is frozen"):
        unet().freeze()
