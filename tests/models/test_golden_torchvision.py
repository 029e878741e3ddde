"""torchvision's weights in our networks, against torchvision in the same process."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.models.segmentation as theirs
from published import all_maps, fill_at_random, same

from intarsia.errors import IntarsiaWarning
from intarsia.models import create_model, load_weights
from intarsia.models.layouts import torchvision
from intarsia.models.loading import build as build_ours


@pytest.mark.parametrize("model", ["deeplabv3", "fcn"])
def test_ours_computes_what_torchvisions_computes(model: str) -> None:
    build = getattr(theirs, f"{model}_resnet50")
    net = fill_at_random(build(weights=None, weights_backbone=None, num_classes=5, aux_loss=True))
    said = f"{model} on resnet50 at output stride 8, 5 classes, form torchvision, auxiliary"
    with pytest.warns(IntarsiaWarning, match=said):
        ours = load_weights(create_model(model, "test_resnet"), net.state_dict()).eval()
    image = torch.randn(1, 3, 161, 209, generator=torch.Generator().manual_seed(1))
    expected = net(image)
    same(ours(image), expected["out"])
    side = all_maps(ours, image)[1]
    same(torch.nn.functional.interpolate(side, image.shape[-2:], mode="bilinear"), expected["aux"])


BUILDERS = [
    (theirs.deeplabv3_resnet101, True),
    (theirs.deeplabv3_resnet50, False),
    (theirs.fcn_resnet101, True),
    (theirs.fcn_resnet50, False),
]


@pytest.mark.parametrize(("build", "auxiliary"), BUILDERS)
def test_every_tensor_of_theirs_has_its_place(build: Callable[..., Any], auxiliary: bool) -> None:
    with torch.device("meta"):
        state = build(weights=None, weights_backbone=None, num_classes=7, aux_loss=auxiliary).state_dict()
        reading = torchvision.LAYOUT.read(state)
        assert reading is not None
        ours = build_ours(reading.blueprint).state_dict()
    assert {name: t.shape for name, t in reading.tensors.items()} == {name: t.shape for name, t in ours.items()}
    assert reading.blueprint.auxiliary == auxiliary
