"""DeepLab v1 and v2: counts, the sum over rates, the maximum over scales."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from intarsia.errors import ArgumentError
from intarsia.models import Outputs, create_model
from intarsia.runs import make_recipe
from intarsia.training.networks import check_crop

COUNTS = [
    # name, backbone, arguments, parameters with 21 classes, and where the number comes from
    ("deeplabv1", None, {}, 20_505_429, "arXiv:1412.7062, table 2: 20.5M"),
    ("deeplabv1", "resnet101_caffe", {"form": "kazuto"}, 42_543_189, "kazuto's ResNet-101 and its 1×1 convolution"),
    ("deeplabv2", None, {}, 44_048_532, "kazuto's DeepLabV2"),
    ("deeplabv2", "vgg16", {"form": "vgg"}, 37_877_652, "VGG16 and four times fc6, fc7, fc8"),
]


@pytest.mark.parametrize(("name", "backbone", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(name: str, backbone: str, arguments: Any, parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model(name, backbone, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


@pytest.mark.parametrize(("backbone", "size", "side"), [("vgg16_largefov", 321, 41), ("resnet101_caffe", 321, 41)])
def test_the_map_of_321_pixels_is_41(backbone: str, size: int, side: int) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv1", backbone).eval()
        assert net.maps(torch.empty(1, 3, size, size))[0].shape[-2:] == (side, side)


def test_v1_is_a_classifier_behind_its_backbone() -> None:
    net = create_model("deeplabv1", "test_resnet", classes=3).eval()
    image = torch.randn(1, 3, 97, 65)
    scores = net.head(net.backbone(image)[-1])
    resized = F.interpolate(scores, (97, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(net(image), resized)


@pytest.mark.parametrize(("output_stride", "rates"), [(8, [6, 12, 18, 24]), (16, [3, 6, 9, 12])])
def test_v2_sums_its_rates(output_stride: int, rates: list[int]) -> None:
    net = create_model("deeplabv2", "test_resnet", classes=3, scales=(), output_stride=output_stride).eval()
    branches = list(net.head.branches)
    assert [branch.dilation[0] for branch in branches] == rates
    image = torch.randn(1, 3, 65, 97)
    x = net.backbone(image)[-1]
    total = sum(F.conv2d(x, b.weight, b.bias, padding=r, dilation=r) for b, r in zip(branches, rates, strict=True))
    torch.testing.assert_close(net.maps(image)[0], total)


def test_on_vgg_each_rate_has_its_own_classifier() -> None:
    net = create_model("deeplabv2", "test_resnet", classes=3, form="vgg", hidden=8)
    for branch, rate in zip(net.head.branches, (6, 12, 18, 24), strict=True):
        kinds = [nn.Conv2d, nn.ReLU, nn.Dropout, nn.Conv2d, nn.ReLU, nn.Dropout, nn.Conv2d]
        assert [type(layer) for layer in branch] == kinds
        assert [(c.kernel_size[0], c.dilation[0]) for c in branch if isinstance(c, nn.Conv2d)] == [
            (3, rate),
            (1, 1),
            (1, 1),
        ]


def test_classifiers_begin_small() -> None:
    torch.manual_seed(0)
    for layer in (
        create_model("deeplabv1", "test_resnet").head,
        create_model("deeplabv2", "test_resnet").head.branches[3],
    ):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert not layer.bias.any()


@pytest.mark.parametrize(("align", "sizes"), [(True, [(73, 49), (49, 33)]), (False, [(72, 48), (48, 32)])])
def test_the_largest_score_of_all_scales_counts(align: bool, sizes: list[tuple[int, int]]) -> None:
    net = create_model("deeplabv2", "test_resnet", classes=3, align_corners=align, auxiliary=True).eval()
    single = create_model("deeplabv2", "test_resnet", classes=3, scales=()).eval()
    single.load_state_dict(net.state_dict())
    image = torch.randn(1, 3, 97, 65)

    def resized(x: torch.Tensor, size: Any) -> torch.Tensor:
        return F.interpolate(x, tuple(size), mode="bilinear", align_corners=align)

    own = single.maps(image)[0]
    every = [own, *(resized(single.maps(resized(image, size))[0], own.shape[-2:]) for size in sizes)]
    largest = torch.stack(every).amax(0)
    torch.testing.assert_close(net.maps(image), [largest])
    assert not torch.equal(largest, own)
    net.train()
    for module in net.modules():
        module.train(not isinstance(module, nn.BatchNorm2d) and module.training)
    outputs = net(image)
    assert isinstance(outputs, Outputs)
    assert outputs.weights == (1.0, 1.0, 1.0)
    for logits, expected in zip((outputs.logits, *outputs.auxiliary), (largest, *every), strict=True):
        torch.testing.assert_close(logits, resized(expected, (97, 65)))


@pytest.mark.parametrize(
    ("rates", "scales", "crop_size", "who"),
    [((6, 12), (), 48, "SummedPyramid needs 7 × 7"), ((1, 2), (0.75, 0.25), 56, "MultiScaleNetwork needs 8 × 8")],
)
def test_crops_on_which_nothing_is_seen_are_refused(rates: Any, scales: Any, crop_size: int, who: str) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv2", "test_resnet", rates=rates, scales=scales)
    with pytest.raises(ArgumentError, match=who):
        check_crop(make_recipe(data="x", crop_size=crop_size), net)
    check_crop(make_recipe(data="x", crop_size=crop_size + 8), net)


REFUSED = [
    ({"scales": (), "auxiliary": True}, "supervises each of `scales` on its own, and there are none; give scales"),
    ({"rates": (6, 9), "output_stride": 16}, r"`rates` .=\(6, 9\). are those at output stride 8 and must be even"),
    ({"output_stride": 32}, "`output_stride` .=32. of deeplabv2 must be 8 or 16"),
    ({"scales": (0.5, 0)}, r"`scales\[1\]` .=0.: input should be greater than 0"),
    ({"scales": (0.5, 3)}, r"`scales\[1\]` .=3.: input should be less than or equal to 2"),
    ({"rates": ()}, r"`rates` .=\(\)."),
    ({"rates": (0,)}, r"`rates\[0\]` .=0.: input should be greater than 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("deeplabv2", "test_resnet", **arguments)
