"""Hybrid rates where the authors have them, and a logit for every pixel."""

import torch
from torch import nn

from intarsia.layers.hybrid_dilation import coverage
from intarsia.models import create_model
from intarsia.models.duc import RES4, RES5


def stages(form: str) -> dict[str, list[int]]:
    with torch.device("meta"):
        body = create_model("duc", classes=19, form=form).backbone.body
    convolutions = {name: m for name, m in body.named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}
    return {
        stage: [m.dilation[0] for name, m in convolutions.items() if f"{stage}." in name]
        for stage in ("layer2", "layer3", "layer4")
    }


def test_the_units_of_resnet_101_have_the_authors_rates() -> None:
    assert len(RES4) == 23
    assert stages("tusimple") == {"layer2": [1] * 4, "layer3": list(RES4), "layer4": list(RES5)}
    assert stages("paper")["layer3"] == [*(1, 2, 5, 9) * 5, 1, 2, 5]


def test_the_fourth_stage_leaves_no_hole() -> None:
    covered, extent = coverage(RES4)
    assert covered == extent
    assert coverage((2,) * 23) != coverage(RES4)


def test_parameters_are_those_of_backbone_and_four_branches() -> None:
    with torch.device("meta"):
        net = create_model("duc", classes=19, form="tusimple")
    head = 4 * (2048 * 9 + 1) * 19 * 64
    assert sum(p.numel() for p in net.head.parameters()) == head
    assert net.head(torch.empty(1, 2048, 5, 7, device="meta")).shape == (1, 19, 40, 56)


def test_each_pixel_has_its_own_logit() -> None:
    net = create_model("duc", "test_resnet", classes=3).eval()
    image = torch.randn(1, 3, 50, 70)
    padded = nn.functional.pad(image, (0, 2, 0, 6))
    torch.testing.assert_close(net(image), net.head(net.backbone(padded)[-1])[..., :50, :70])
