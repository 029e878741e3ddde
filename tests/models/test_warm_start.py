"""What a network takes from another one, and what it leaves."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from intarsia.errors import ArgumentError, DataError, IntarsiaWarning
from intarsia.models import create_model, warm_start
from intarsia.runs.weights import save_tensors


def test_all_but_the_head_goes_over_to_other_classes(tmp_path: Path) -> None:
    old, new = (create_model("fcn", "test_resnet", classes=classes).eval() for classes in (3, 5))
    head = new.head.weight.clone()
    save_tensors(tmp_path / "old.safetensors", old.state_dict())
    assert warm_start(new, tmp_path / "old.safetensors") == ("head.weight", "head.bias")
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(new.decoder(new.backbone(image)), old.decoder(old.backbone(image)), rtol=0, atol=0)
    assert torch.equal(new.head.weight, head)


def test_names_of_parallel_training_are_understood() -> None:
    old, new = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    assert warm_start(new, {f"module.{name}": tensor for name, tensor in old.state_dict().items()}) == ()
    assert torch.equal(old.weight, new.weight)


def test_others_names_are_understood() -> None:
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=4)
    ours = create_model("unet", "resnet18", classes=4)  # its head is 1×1, and theirs 3×3
    with pytest.warns(IntarsiaWarning, match="made for unet .* form smp"):
        assert warm_start(ours, theirs.state_dict()) == ("head.weight",)
    assert torch.equal(ours.backbone.body.conv1.weight, theirs.encoder.conv1.weight)


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"None of the 2 tensors to start from .weight, bias, ….* agrees in name"):
        warm_start(nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1))
    with pytest.raises(DataError, match="no weights file"):
        warm_start(nn.Conv2d(3, 4, 1), tmp_path / "nowhere.pth")
