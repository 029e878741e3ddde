"""segmentation_models_pytorch's weights in our networks, against that library in the same process."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from published import fill_at_random, same

from intarsia.errors import IntarsiaWarning
from intarsia.models import create_model, load_weights

NETWORKS = [
    # our model, theirs, backbone, output stride by its default
    ("unet", smp.Unet, "resnet18", 32),
    ("unet", smp.Unet, "resnet34", 32),
    ("unet", smp.Unet, "resnet50", 32),
    ("deeplabv3", smp.DeepLabV3, "resnet34", 8),
    ("deeplabv3plus", smp.DeepLabV3Plus, "resnet34", 16),
    ("deeplabv3plus", smp.DeepLabV3Plus, "resnet50", 16),
    ("pspnet", smp.PSPNet, "resnet34", 8),
    ("pspnet", smp.PSPNet, "resnet50", 8),
]


@pytest.mark.parametrize(("model", "build", "backbone", "output_stride"), NETWORKS)
def test_ours_computes_what_smps_computes(model: str, build: Any, backbone: str, output_stride: int) -> None:
    net = fill_at_random(build(backbone, encoder_weights=None, classes=4))
    said = f"for {model} on {backbone} at output stride {output_stride}, 4 classes, form smp"
    with pytest.warns(IntarsiaWarning, match=said):
        ours = load_weights(create_model(model, "test_resnet", form="smp"), net.state_dict()).eval()
    odd = [(161, 209)] if model == "unet" else []  # the others refuse sizes that their output stride does not divide
    for size in [(192, 224), *odd]:
        image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
        same(ours(image), net(image))


def test_what_weights_do_not_tell_is_taken_from_the_network_given() -> None:
    net = fill_at_random(smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4, encoder_output_stride=8))
    given = create_model("deeplabv3plus", "resnet18", classes=4, form="smp", output_stride=8, rates=(6, 12, 18))
    with pytest.warns(IntarsiaWarning, match="do not tell options and output_stride"):
        ours = load_weights(given, net.state_dict())
    assert ours is given
    image = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    same(ours.eval()(image), net(image))
