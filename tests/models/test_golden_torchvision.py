"""torchvision's weights in our networks, against torchvision in the same process."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.models.segmentation as theirs
from published import all_maps, fill_at_random, same

from intarsia.errors import IntarsiaWarning
from intarsia.models import create_model, load_weights

NETWORKS = [
    ("deeplabv3", theirs.deeplabv3_resnet50, "resnet50", True),
    ("deeplabv3", theirs.deeplabv3_resnet50, "resnet50", False),
    ("fcn", theirs.fcn_resnet50, "resnet50", True),
    ("fcn", theirs.fcn_resnet101, "resnet101", False),
]


@pytest.mark.parametrize(("model", "build", "backbone", "auxiliary"), NETWORKS)
def test_ours_computes_what_torchvisions_computes(
    model: str, build: Callable[..., Any], backbone: str, auxiliary: bool
) -> None:
    net = fill_at_random(build(weights=None, weights_backbone=None, num_classes=5, aux_loss=auxiliary))
    with pytest.warns(IntarsiaWarning, match=f"{model} on {backbone} at output stride 8, 5 classes, form torchvision"):
        ours = load_weights(create_model(model, backbone), net.state_dict()).eval()
    for size in (65, 97), (161, 209):
        image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
        expected = net(image)
        same(ours(image), expected["out"])
    if auxiliary:
        side = all_maps(ours, image)[1]
        same(torch.nn.functional.interpolate(side, size, mode="bilinear"), expected["aux"])
