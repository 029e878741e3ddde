"""torchvision's weights in our networks, against torchvision in the same process."""

import pytest
import torch
import torchvision.models.segmentation as theirs
from published import fill_at_random, same

from intarsia.errors import IntarsiaWarning
from intarsia.models import create_model, load_weights

SIZES = [(65, 97), (161, 209)]


@pytest.mark.parametrize("auxiliary", [True, False])
def test_deeplabv3_computes_what_torchvisions_computes(auxiliary: bool) -> None:
    net = fill_at_random(
        theirs.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=5, aux_loss=auxiliary)
    )
    with pytest.warns(IntarsiaWarning, match="output stride 8, 5 classes, form torchvision"):
        ours = load_weights(create_model("deeplabv3", "test_resnet", multi_grid=()).eval(), net.state_dict())
    assert ours.blueprint.auxiliary == auxiliary
    for size in SIZES:
        image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
        same(ours(image), net(image)["out"])
