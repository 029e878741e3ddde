"""What is frozen stays as it is, whatever mode the network around it is put into."""

from typing import Any

import pytest
import torch
from torch import nn

from intarsia.backbones.classifier import create_classifier
from intarsia.errors import ArgumentError
from intarsia.layers.freezing import batch_norms, freeze_parts, statistics_kept
from intarsia.models import SegmentationNetwork, create_model


def network() -> SegmentationNetwork:
    return create_model("unet", "test_resnet", classes=2, widths=(8, 8, 8, 8, 8))


@pytest.mark.parametrize("build", [network, lambda: create_classifier("test_resnet", 3)])
@pytest.mark.parametrize(("norms", "learns"), [(True, False), ("statistics", True)])
def test_frozen_norms_survive_a_change_of_mode(build: Any, norms: bool | str, learns: bool) -> None:
    net = build()
    net.still = freeze_parts(net, (), norms)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net.eval().train()
    assert net.training
    net(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    found = batch_norms(net)
    assert found
    assert {norm.training for norm in found.values()} == {False}
    assert {norm.weight.requires_grad for norm in found.values()} == {learns}
    convolutions = [module.weight for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert all(weight.requires_grad for weight in convolutions)


def test_a_frozen_part_is_still_as_a_whole() -> None:
    net = network()
    net.still = freeze_parts(net, ("backbone.body.layer1",), False)
    net.train()
    frozen = {name for name, parameter in net.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in net.named_parameters() if name.startswith("backbone.body.layer1.")}
    still = {name for name, module in net.named_modules() if not module.training}
    assert still == {name for name, _ in net.named_modules() if name.startswith("backbone.body.layer1")}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (("backbone.body.layer7",), r"`freeze` .='backbone.body.layer7'. names no part of .*; the nearest is backbone"),
        (("",), r"`freeze` .=''. names no part of UNet; it has backbone, decoder, head"),
        (("backbone", "decoder", "head"), "leaves nothing that learns; freeze fewer parts"),
    ],
)
def test_refusals(parts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        freeze_parts(network(), parts, False)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_kept_and_counted_again_behind_it(momentum: float | None) -> None:
    norm = nn.BatchNorm2d(3, momentum=momentum)
    images = torch.randn(4, 3, 5, 5)
    norm(images)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    with statistics_kept(norm):
        kept = norm(images + 7)
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    torch.testing.assert_close(kept, nn.BatchNorm2d(3)(images + 7))
    norm(images + 7)
    behind = norm.state_dict()
    assert behind["num_batches_tracked"] == 2
    assert not torch.equal(behind["running_mean"], before["running_mean"])
