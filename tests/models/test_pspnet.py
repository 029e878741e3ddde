"""PSPNet: counts, the original's outputs, its pyramid, refusals."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from goldens import golden
from published import all_maps
from torch import nn

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.layers import resize
from intarsia.models import create_model, load_weights

COUNTS = [
    # backbone, classes, arguments, parameters, where the number comes from
    ("resnet50_deep_stem", 21, {"auxiliary": True}, 49_081_578, "semseg"),
    ("resnet50_deep_stem", 19, {"auxiliary": True}, 49_080_038, "semseg"),
    ("resnet101_deep_stem", 150, {"auxiliary": True}, 68_173_036, "semseg"),
    ("resnet50_deep_stem", 21, {}, 49_081_578 - 2_365_205, "semseg without its auxiliary head"),
    (
        "resnet50",
        21,
        {"auxiliary": True},
        23_508_032 + 23_084_565 + 2_365_205,
        "torchvision's ResNet-50 + semseg's pyramid and classifier + semseg's auxiliary head",
    ),
]


@pytest.mark.parametrize(("backbone", "classes", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(backbone: str, classes: int, arguments: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model("pspnet", backbone, classes=classes, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


@pytest.mark.parametrize(("backbone", "parameters"), [("resnet34", 21_530_165), ("resnet50", 24_393_173)])
def test_smps_form_leaves_out_what_smp_never_runs(backbone: str, parameters: int) -> None:
    with torch.device("meta"):
        theirs = smp.PSPNet(backbone, encoder_weights=None, classes=21)
        ours = create_model("pspnet", backbone, form="smp", output_stride=8)
    idle = sum(p.numel() for stage in (theirs.encoder.layer3, theirs.encoder.layer4) for p in stage.parameters())
    assert sum(p.numel() for p in theirs.parameters()) == parameters
    assert sum(p.numel() for p in ours.parameters()) == parameters - idle
    assert ours.backbone.spec.strides == (2, 4, 8)


def test_the_originals_weights_give_the_originals_outputs() -> None:
    original = golden("pspnet50_semseg")
    said = "pspnet on resnet50_deep_stem at output stride 8, 21 classes, form semseg, auxiliary"
    with pytest.warns(IntarsiaWarning, match=said):
        net = load_weights(create_model("pspnet", "test_resnet").double(), original.state_dict()).eval()
    image = original.image()
    logits, auxiliary = all_maps(net, image)
    original.check("low", logits)
    original.check("main", resize(logits, image.shape[-2:], align_corners=True))
    original.check("aux1", resize(auxiliary, image.shape[-2:], align_corners=True))


def test_semseg_dilates_the_first_unit_too() -> None:
    """What tells its form from the paper's: at the same weights the function is another one."""
    with torch.device("meta"):
        bodies = [create_model("pspnet", form=form).backbone.body for form in ("paper", "semseg")]
    found = [[stage[0].conv2.dilation[0] for stage in (body.layer3, body.layer4)] for body in bodies]
    assert found == [[1, 2], [2, 4]]


def test_the_network_is_its_parts_put_together() -> None:
    net = create_model("pspnet", "test_resnet", classes=3, channels=16).eval()
    image = torch.randn(1, 3, 97, 65)
    pooled = net.decoder.pooling(net.backbone(image)[-1])
    logits = net.head(net.decoder.fuse(pooled))
    expected = nn.functional.interpolate(logits, (97, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(net(image), expected)


@pytest.mark.parametrize("bins", [(1,), (4,), (1, 2, 4, 8), (5, 3)])
def test_any_bins(bins: tuple[int, ...]) -> None:
    net = create_model("pspnet", "test_resnet", classes=3, channels=8, bins=bins).eval()
    assert len(net.decoder.pooling.levels) == len(bins)
    assert net(torch.randn(1, 3, 65, 97)).shape == (1, 3, 65, 97)


REFUSED = [
    ({"bins": ()}, r"`bins` \(=\(\)\) must be one or more numbers"),
    ({"bins": (1, 0)}, r"`bins\[1\]` \(=0\): input should be greater than 0"),
    ({"bins": tuple(range(1, 100))}, "leave no channel of 96 for each"),
    ({"head_kernel": 2}, "`head_kernel` .=2.: input should be 1 or 3"),
    ({"deepest": 1}, r"`deepest` \(=1\) must be a stride of a map of backbone `test_resnet`: 2 or 4 or 8 or 16 or 32"),
    ({"deepest": 5}, r"`deepest` \(=5\) must be a stride of a map"),
    ({"deepest": 8, "backbone": "drn_c_26"}, "Backbone `drn_c_26` cannot be cut at stride 8"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("pspnet", **{"backbone": "test_resnet", **arguments})
