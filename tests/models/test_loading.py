"""Weights by any known name, or a sentence with what does not fit."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

import intarsia
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning
from intarsia.models import Blueprint, SegmentationNetwork, create_model, load_weights, warm_start
from intarsia.models.layouts.layout import resnet_name, stem_channels

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


def deeplab(**more: object) -> SegmentationNetwork:
    return create_model("deeplabv3", "resnet18", classes=2, form="torchvision", **more)  # pyright: ignore[reportArgumentType]


def as_torchvision_names(net: SegmentationNetwork) -> dict[str, Tensor]:
    """The state of our DeepLab v3 in torchvision's names."""
    spelt = {
        "backbone.body.": "backbone.",
        "decoder.aspp.image_pooling.0.": "classifier.0.convs.4.1.",
        "decoder.aspp.image_pooling.1.": "classifier.0.convs.4.2.",
        "decoder.aspp.branches.": "classifier.0.convs.",
        "decoder.aspp.project.": "classifier.0.project.",
        "decoder.refine.0.": "classifier.1.",
        "decoder.refine.1.": "classifier.2.",
        "head.": "classifier.4.",
    }
    return {
        next(theirs + name.removeprefix(ours) for ours, theirs in spelt.items() if name.startswith(ours)): tensor
        for name, tensor in net.state_dict().items()
    }


@pytest.mark.parametrize("odd", [{"output_stride": 16}, {"output_stride": 8, "align_corners": True}])
def test_what_a_layout_knows_is_not_left_to_the_network_given(odd: dict[str, object]) -> None:
    theirs = as_torchvision_names(deeplab(output_stride=8))
    with pytest.warns(
        IntarsiaWarning, match="output stride 8, 2 classes, form torchvision; the network that is returned"
    ):
        other = load_weights(deeplab(**odd), theirs)
    assert other.backbone.spec.output_stride == 8
    net = deeplab(output_stride=8)
    assert load_weights(net, theirs) is net


def test_what_weights_do_not_tell_is_kept_and_said(theirs: dict[str, Tensor]) -> None:
    net = create_model("unet", "resnet18", classes=4, form="smp", upsampling="bilinear").eval()
    with pytest.warns(IntarsiaWarning, match="do not tell options and output_stride: those of the network are kept"):
        assert load_weights(net, theirs) is net


def test_files_older_than_the_counters_of_batch_norm(theirs: dict[str, Tensor]) -> None:
    old = {name: tensor for name, tensor in theirs.items() if not name.endswith("num_batches_tracked")}
    net = unet()
    assert load_weights(net, old) is net
    own = {name: t for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert load_weights(net, own) is net


PARTS = [
    (
        {"backbone.layer3.5.conv3.weight": 4, "classifier.4.weight": 4},
        "those of torchvision, but `backbone.conv1.weight`",
    ),
    (
        {"pretrained.layer3.5.conv3.weight": 4, "head.conv8.1.weight": 4},
        "junfu1115/DANet, but `pretrained.conv1.weight`",
    ),
    (
        {"pretrained.layer3.5.conv3.weight": 4, "head.conv8.1.weight": 4, "pretrained.conv1.weight": 1},
        "has an odd shape",
    ),
]


@pytest.mark.parametrize(("dimensions", "sentence"), PARTS)
def test_parts_of_a_file_are_refused(dimensions: dict[str, int], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        load_weights(unet(), {name: torch.zeros((2,) * count) for name, count in dimensions.items()})


@pytest.mark.parametrize("odd", [{0: torch.zeros(1)}, {"a": "b"}, {}, [1]])
@pytest.mark.usefixtures("unchecked_shapes")
def test_what_is_no_state_dict(odd: object) -> None:
    with pytest.raises(DataError, match="`source` is not a dictionary of tensors by name"):
        load_weights(unet(), odd)  # pyright: ignore[reportArgumentType]


def test_a_deep_stem_is_recognised() -> None:
    names = {"layer3.5.conv3.weight": torch.ones(1), "conv1.0.weight": torch.ones(64, 4, 3, 3)}
    assert resnet_name(names, "") == "resnet50_deep_stem"
    assert stem_channels(names, "") == 4


def test_a_warm_start_from_another_form_is_said(theirs: dict[str, Tensor]) -> None:
    with pytest.warns(
        IntarsiaWarning, match="made for unet .* form smp, and start unet .* form paper, which computes oth"
    ):
        assert warm_start(unet(form="paper"), theirs) == ("head.weight",)


def test_forms_that_are_one_are_not_told_apart() -> None:
    net = create_model("fcn", "resnet18", classes=3)
    twin = create_model("fcn", "resnet18", classes=3, form="torchvision")
    spelt = {"backbone.body.": "backbone.", "decoder.convolution.": "classifier.", "head.": "classifier.4."}
    theirs = {
        next(to + name.removeprefix(ours) for ours, to in spelt.items() if name.startswith(ours)): tensor
        for name, tensor in twin.state_dict().items()
    }
    assert load_weights(net, theirs) is net
