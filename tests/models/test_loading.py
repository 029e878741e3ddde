"""Weights by any known name, or a sentence with what does not fit."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

import intarsia
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning
from intarsia.models import Blueprint, SegmentationNetwork, create_model, load_weights

UNET = Blueprint("unet", "resnet18", 4, 32, form="smp")


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, classes=4).state_dict()


def unet(classes: int = 4, form: str = "smp") -> SegmentationNetwork:
    return create_model("unet", "resnet18", classes=classes, form=form).eval()


def test_a_network_that_fits_is_filled_itself(theirs: dict[str, Tensor]) -> None:
    net = unet()
    assert net.blueprint == UNET
    assert load_weights(net, theirs) is net
    assert torch.equal(net.head.weight, theirs["segmentation_head.0.weight"])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("prefix", ["", "module."])
def test_another_form_is_built_and_said(theirs: dict[str, Tensor], prefix: str) -> None:
    net = unet(classes=3, form="paper").double()
    with pytest.warns(
        IntarsiaWarning, match="are for unet on resnet18 .* 4 classes, form smp; the network that is ret"
    ):
        other = load_weights(net, {prefix + name: tensor for name, tensor in theirs.items()})
    assert other is not net
    assert other.blueprint == UNET
    assert not other.training
    assert next(other.parameters()).dtype == torch.float64


def test_training_scripts_wrap_their_weights(theirs: dict[str, Tensor], tmp_path: Path) -> None:
    for number, wrapper in enumerate(("state_dict", "model_state_dict", "model")):
        torch.save({"epoch": 3, wrapper: theirs}, tmp_path / f"{number}.pth")
        net = unet()
        assert load_weights(net, tmp_path / f"{number}.pth") is net
        assert torch.equal(net.head.weight, theirs["segmentation_head.0.weight"])  # pyright: ignore[reportArgumentType]


def test_refusals(theirs: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"names of the 1 tensors \(whose, …\) are neither this network's nor those of"
    ):
        load_weights(unet(), {"whose": torch.zeros(1)})
    with pytest.raises(
        ArgumentError, match=r"for unet on .*, and the network is pspnet; `create_model\('unet'\)` makes"
    ):
        load_weights(create_model("pspnet", "resnet18", classes=4), theirs)
    spoilt = {**theirs, "encoder.extra": torch.zeros(1), "encoder.bn1.bias": torch.zeros(3)}
    del spoilt["decoder.blocks.1.conv1.0.weight"]
    with pytest.raises(
        ArgumentError,
        match=r"1 missing: decoder.stages.1.0.0.weight; 1 not in the network: backbone.body.extra; "
        r"1 of another shape: backbone.body.bn1.bias \(3,\) for \(64,\)",
    ):
        load_weights(unet(), spoilt)
    with pytest.raises(DataError, match="There is no weights file"):
        load_weights(unet(), tmp_path / "none.pth")


def test_a_refusal_changes_nothing(theirs: dict[str, Tensor]) -> None:
    net = unet()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(ArgumentError, match="do not fit"):
        load_weights(net, {name: tensor for name, tensor in theirs.items() if name != "encoder.bn1.weight"})
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_it_is_public() -> None:
    assert intarsia.load_weights is load_weights
