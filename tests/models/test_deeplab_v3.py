"""DeepLab v3: counts, the pyramid's rates and what becomes of them on small maps, refusals."""

from typing import Any

import pytest
import torch
from torch import nn

from intarsia.errors import ArgumentError
from intarsia.models import create_model

COUNTS = [
    # backbone, arguments, parameters, where the number comes from (21 classes)
    ("resnet50", {"form": "torchvision"}, 39_638_869, "torchvision 0.29 deeplabv3_resnet50"),
    ("resnet50", {"form": "torchvision", "auxiliary": True}, 42_004_074, "its weights' metadata"),
    ("resnet101", {"form": "torchvision", "auxiliary": True}, 60_996_202, "its weights' metadata"),
    ("mobilenetv3_large_100", {"form": "torchvision"}, 11_025_477, "torchvision's deeplabv3_mobilenet_v3_large"),
    ("resnet34", {"form": "smp"}, 26_012_245, "smp 0.6.0 DeepLabV3"),
    ("resnet50", {"form": "smp"}, 39_638_869, "smp 0.6.0 DeepLabV3"),
    ("resnet50", {}, 39_638_869 - 9 * 256**2 - 2 * 256, "torchvision's without its extra 3×3 convolution"),
    (
        "resnet50",
        {"rates": (6, 12, 18, 24)},
        39_638_869 - 9 * 256**2 - 2 * 256 + 9 * 2048 * 256 + 2 * 256 + 256**2,
        "and a fourth branch: its 3×3 convolution, its batch norm, its share of the projection",
    ),
]


@pytest.mark.parametrize(("backbone", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(backbone: str, arguments: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3", backbone, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


def test_parts_count_as_torchvisions_parts_do() -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3", "resnet50", form="torchvision")
    parts = [sum(p.numel() for p in part.parameters()) for part in (net.decoder.aspp, net.decoder, net.head)]
    assert parts == [15_535_104, 16_130_837 - 21 * 257, 21 * 257]


@pytest.mark.parametrize(("output_stride", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_rates_follow_the_output_stride(output_stride: int, rates: list[int]) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3", "test_resnet", output_stride=output_stride, multi_grid=())
    assert [branch[0].dilation[0] for branch in net.decoder.aspp.branches[1:]] == rates


MULTI_GRID = [(16, [1, 1, 1, 1, 1, 1], [2, 4, 8]), (8, [1, 2, 2, 2, 2, 2], [4, 8, 16])]


@pytest.mark.parametrize(("output_stride", "fourth", "last"), MULTI_GRID)
def test_the_last_stage_has_the_multi_grid(output_stride: int, fourth: list[int], last: list[int]) -> None:
    with torch.device("meta"):
        body = create_model("deeplabv3", "resnet50", output_stride=output_stride).backbone.body
    found = [[block.conv2.dilation[0] for block in stage] for stage in (body.layer3, body.layer4)]
    assert found == [fourth, last]


@pytest.mark.parametrize(("size", "rate"), [(33, 6), (33, 24), (33, 33), (65, 24), (65, 64), (65, 65), (65, 100)])
def test_the_kernels_taps_fall_outside_as_the_rate_grows(size: int, rate: int) -> None:
    """Section 3.3 and figure 4: at a rate like the map's size only the centre of a 3×3 kernel is left."""
    (branch,) = _branches(rates=(rate,))
    nn.init.ones_(branch.weight)
    valid = branch(torch.ones(1, branch.in_channels, size, size))[0, 0] / branch.in_channels
    one, three = max(0, min(size, 2 * rate - size)), max(0, size - 2 * rate)
    two = size - one - three
    expected = torch.tensor([1.0] * one + [2.0] * two + [3.0] * three)
    torch.testing.assert_close(valid.flatten().sort().values, torch.outer(expected, expected).flatten().sort().values)


def test_the_abandoned_branch_is_a_1x1_convolution_in_the_middle_of_a_crop() -> None:
    """513 pixels at output stride 16 give 33 positions: from 9 to 23 a rate of 24 reaches nothing but the centre."""
    branch = _branches(rates=(6, 12, 18, 24))[-1]
    x = torch.randn(1, branch.in_channels, 33, 33, dtype=torch.float64)
    out = branch.double()(x)
    pointwise = nn.functional.conv2d(x, branch.weight[..., 1:2, 1:2])
    middle = slice(9, 24)
    torch.testing.assert_close(out[..., middle, middle], pointwise[..., middle, middle])
    assert not torch.isclose(out[..., 8, 16], pointwise[..., 8, 16]).all()


def _branches(rates: tuple[int, ...]) -> list[nn.Conv2d]:
    net = create_model("deeplabv3", "test_resnet", rates=rates, channels=4, multi_grid=())
    return [branch[0] for branch in net.decoder.aspp.branches[1:]]


def test_the_network_is_its_parts_put_together() -> None:
    net = create_model("deeplabv3", "test_resnet", classes=3, channels=16, multi_grid=(), refined=True).eval()
    image = torch.randn(1, 3, 97, 65)
    aspp = net.decoder.aspp(net.backbone(image)[-1])
    logits = net.head(net.decoder.refine(aspp))
    expected = nn.functional.interpolate(logits, (97, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(net(image), expected)


@pytest.mark.parametrize(
    ("options", "branches", "parameters"),
    [
        ({"rates": (), "image_pooling": False}, 1, 0),
        ({"rates": ()}, 1, 2048 * 256 + 2 * 256 + 256 * 256),
        ({"image_pooling": False}, 4, 3 * (9 * 2048 * 256 + 2 * 256 + 256 * 256)),
        ({}, 4, 3 * (9 * 2048 * 256 + 2 * 256 + 256 * 256) + 2048 * 256 + 2 * 256 + 256 * 256),
    ],
)
def test_a_pyramid_of_fewer_views(options: dict[str, Any], branches: int, parameters: int) -> None:
    """Each view costs its convolution, its norm and its columns of the projection, beside the 1×1's."""
    least = (2048 * 256 + 2 * 256) + (256 * 256 + 2 * 256)
    with torch.device("meta"):
        net = create_model("deeplabv3", "resnet50", **options)
    assert len(net.decoder.aspp.branches) == branches
    assert (net.decoder.aspp.image_pooling is not None) == options.get("image_pooling", True)
    assert sum(p.numel() for p in net.decoder.aspp.parameters()) == least + parameters


REFUSED = [
    ({"rates": (3, 6), "output_stride": 32}, r"`rates` \(=\(3, 6\)\) are those at output stride 16 and must be even"),
    ({"rates": (0, 6)}, r"`rates\[0\]` \(=0\): input should be greater than 0"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("deeplabv3", "test_resnet", **{"multi_grid": (), **arguments})
