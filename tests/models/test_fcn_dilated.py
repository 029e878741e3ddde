"""The dilated FCN is torchvision's."""

import pytest
import torch
from torchvision.models import segmentation

from intarsia.errors import ArgumentError
from intarsia.models import SegmentationNetwork, create_model

COUNTS = [
    # backbone, auxiliary, parameters: torchvision 0.29 fcn_resnet50 and fcn_resnet101, 21 classes
    ("resnet50", False, 32_957_013),
    ("resnet50", True, 35_322_218),
    ("resnet101", False, 51_949_141),
    ("resnet101", True, 54_314_346),
]


@pytest.mark.parametrize(("backbone", "auxiliary", "parameters"), COUNTS)
def test_parameter_counts(backbone: str, auxiliary: bool, parameters: int) -> None:
    with torch.device("meta"):
        net = create_model("fcn", backbone, auxiliary=auxiliary)
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.fixture(scope="module")
def pair() -> tuple[SegmentationNetwork, torch.nn.Module]:
    """Ours with the weights of theirs, tensor by tensor in order: names differ, the order does not."""
    torch.manual_seed(0)
    theirs = (
        segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=4, aux_loss=True).double().eval()
    )
    ours = create_model("fcn", "resnet50", classes=4, auxiliary=True).double().eval()
    assert [t.shape for t in theirs.state_dict().values()] == [t.shape for t in ours.state_dict().values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    return ours, theirs


@pytest.mark.parametrize("size", [(96, 64), (161, 209)])
def test_logits_are_torchvisions(pair: tuple[SegmentationNetwork, torch.nn.Module], size: tuple[int, int]) -> None:
    ours, theirs = pair
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        logits, auxiliary = theirs(image).values()
        torch.testing.assert_close(ours(image), logits)
        side = ours.auxiliary_heads[0](ours.backbone(image)[-2])
        resized = torch.nn.functional.interpolate(side, size, mode="bilinear")
        torch.testing.assert_close(resized, auxiliary)


@pytest.mark.parametrize(("auxiliary", "fewest"), [(False, 512), (True, 256)])
def test_a_reduction_that_leaves_nothing_is_refused(auxiliary: bool, fewest: int) -> None:
    with torch.device("meta"):
        create_model("fcn", "resnet18", auxiliary=auxiliary, reduction=fewest)
        sentence = rf"`reduction` .={fewest + 1}. leaves none of the {fewest} channels.*`resnet18`; use {fewest} or"
        with pytest.raises(ArgumentError, match=sentence):
            create_model("fcn", "resnet18", auxiliary=auxiliary, reduction=fewest + 1)
