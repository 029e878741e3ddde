"""Theoretical fields against the recursion by hand, effective ones against variances that can be computed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from intarsia.backbones import create_backbone
from intarsia.diagnostics.fields.dependence import dependence
from intarsia.diagnostics.fields.receptive_field import (
    TheoreticalField,
    effective_field,
    fit_gaussian,
    local_reach,
    stride_of,
    theoretical_fields,
)
from intarsia.diagnostics.pages.receptive_field import position
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models import CATALOG, SegmentationNetwork, create_model
from intarsia.models.segmentation_network import LastMap

Layer = tuple[int, int, int]  # kernel, stride, rate


def extent(layers: list[Layer]) -> int:
    """r ← r + (k − 1) · rate · jump; jump ← jump · stride."""
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += (kernel - 1) * rate * jump
        jump *= stride
    return field


def vgg16(stages: int) -> list[Layer]:
    """Up to the map before the pooling that follows the last stage."""
    layers: list[Layer] = []
    for stage, convolutions in enumerate((2, 2, 3, 3, 3)[:stages]):
        layers += [(2, 2, 1)] * (stage > 0) + [(3, 1, 1)] * convolutions
    return layers


def resnet(blocks: tuple[int, ...], rates: tuple[int, ...] = (1, 1, 1, 1)) -> list[Layer]:
    """ResNet of bottlenecks, stride in the 3×3; a stage's first block keeps the rate of the stage before."""
    layers: list[Layer] = [(7, 2, 1), (3, 2, 1)]
    before = 1
    for stage, (count, rate) in enumerate(zip(blocks, rates, strict=True)):
        dilated = rate > before
        stride = 2 if stage > 0 and not dilated else 1
        layers += [(3, stride, before)] + [(3, 1, rate)] * (count - 1)
        before = rate
    return layers


def bare(name: str, output_stride: int) -> SegmentationNetwork:
    with torch.device("meta"):
        backbone = create_backbone(name, output_stride=output_stride)
        return SegmentationNetwork(backbone, LastMap(), nn.Conv2d(backbone.spec.channels[-1], 2, 1))


@pytest.mark.parametrize(
    ("name", "output_stride", "map_", "layers", "known"),
    [
        ("vgg16", 32, "stage 8", [*vgg16(4)], 92),
        ("vgg16", 32, "stage 16", [*vgg16(5)], 196),
        ("resnet50", 32, "stage 32", resnet((3, 4, 6, 3)), 427),
        ("resnet50", 8, "stage 32", resnet((3, 4, 6, 3), (1, 1, 2, 4)), 427),
        ("resnet101", 16, "stage 32", resnet((3, 4, 23, 3), (1, 1, 1, 2)), 971),
    ],
)
def test_known_stacks(name: str, output_stride: int, map_: str, layers: list[Layer], known: int) -> None:
    """Dilation keeps the field: the law à trous."""
    fields = {field.name: field for field in theoretical_fields(bare(name, output_stride))}
    assert (fields[map_].rows, fields[map_].columns) == (known, known) == (extent(layers), extent(layers))
    assert fields[map_].seen == (known, known)
    assert fields[map_].whole == ()


@pytest.mark.parametrize(("rates", "seen"), [((2, 2, 2), 7), ((1, 2, 5), 17), ((2, 4, 8), 15)])
def test_holes_are_counted(rates: tuple[int, ...], seen: int) -> None:
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=rate, dilation=rate) for rate in rates))
    (field,) = theoretical_fields(stack)
    assert (field.rows, field.seen) == (1 + 2 * sum(rates), (seen, seen))


PLACED = [
    ("deeplabv3", "test_resnet"),
    ("unet", "test_resnet"),
    ("unet_paper", "test_unet_contracting"),  # mirrors 92 pixels before the first
    ("fcn8s", "vgg16_fcn"),  # pads by 100
]


@pytest.mark.parametrize(("name", "backbone"), PLACED)
def test_positions_lie_where_backbones_say(name: str, backbone: str) -> None:
    """Also at a small image's border and in its corner, where a network that extends it begins outside."""
    with torch.device("meta"):
        net = create_model(name, backbone, classes=2).eval()
    spec, margin = net.backbone.spec, 92 if name == "unet_paper" else 0
    paths = dependence(net, 64, 64)
    for index, (stride, origin) in enumerate(zip(spec.strides, spec.origins, strict=True)):
        map_ = f"stage {spec.nominal_strides[index]}"
        assert stride_of(net, map_) == stride
        for x, y in ((0, 0), (63, 20), (30, 63)):
            field = TheoreticalField(map_, stride, 1, 1, (1, 1), ())
            at = position(net, paths, field, (x, y))
            for place, pixel in zip(at, (y, x), strict=True):
                assert origin - margin + stride * place == pytest.approx(pixel, abs=stride)
            rows, columns = local_reach(paths, map_, *at)
            assert rows[0] <= y <= rows[-1] or stride < 8
            assert columns[0] <= x <= columns[-1] or stride < 8


def test_a_stage_of_a_small_image_keeps_its_stride() -> None:
    """U-Net mirrors 64 pixels to 248 and more, so that sizes do not tell the stride."""
    net = create_model("unet_paper", classes=2, **CATALOG["unet_paper"].tiny)
    paths = dependence(net, 64, 64)
    assert stride_of(net, "stage 2") == 2
    at = position(net, paths, TheoreticalField("stage 2", 2, 14, 14, (14, 14), ()), (0, 0))
    rows, _ = local_reach(paths, "stage 2", *at)
    assert rows[0] == 0
    assert rows[-1] < 14


def test_what_reads_whole_maps_only_and_what_reads_nothing() -> None:
    class Tokens(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mT.flatten(2).cumsum(-1).unflatten(2, x.shape[-2:])

    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Tokens())
    rows, columns = local_reach(dependence(net, 12, 10), "logits", 5, 5)
    assert (len(rows), len(columns)) == (12, 10)
    padded = dependence(nn.Conv2d(3, 4, 3, padding=20), 8, 8)
    with pytest.raises(ArgumentError, match=r"Row 0, column 5 of the map `logits` reads no pixel of the image"):
        local_reach(padded, "logits", 0, 5)


@pytest.mark.parametrize(("padding", "stride"), [(0, 2), (100, 4)])
def test_the_stride_of_a_plain_network(padding: int, stride: int) -> None:
    assert stride_of(nn.Conv2d(3, 4, 3, stride=stride, padding=padding), "logits") == stride


def test_pyramids_are_united_and_the_mean_is_named() -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3", "resnet50", classes=2, output_stride=16, rates=(6, 12, 18))
    *_, last, logits = theoretical_fields(net)
    assert logits.whole == ("decoder.aspp",)
    # Rate 18 at stride 16, two positions of the map under bilinear interpolation.
    assert logits.rows == last.rows + 2 * 18 * 16 + 16
    assert last.whole == ()


def test_gates_see_the_whole_image_beside_a_local_field() -> None:
    fields = theoretical_fields(bare("efficientnet_b0", 32))
    assert len(fields[0].whole) == 1
    assert "se" in fields[0].whole[0]
    assert fields[0].rows == extent([(3, 2, 1), (3, 1, 1)])


@pytest.mark.parametrize("name", CATALOG)
def test_effective_within_theoretical(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, classes=3, **CATALOG[name].tiny)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    paths = dependence(net, 96, 80)
    images = torch.randn(1, 3, 96, 80, generator=torch.Generator().manual_seed(1))
    stage = f"stage {net.backbone.spec.nominal_strides[1]}"
    for map_, at in ((stage, (9, 7)), ("logits", (50, 33))):
        field = effective_field(net, images, map_, at, seeds=1)
        rows, columns = paths.reach(map_, *at)
        moved = field > 0
        assert moved.any()
        assert not moved[~rows].any()
        assert not moved[:, ~columns].any()
        assert map_ == "logits" or moved.sum() > 0.5 * rows.sum() * columns.sum()


def test_a_linear_networks_field_has_the_derived_variance() -> None:
    """Independent zero-mean weights: the expected squares are the convolution of uniform distributions."""
    layers = [(3, 1, 1), (3, 1, 2), (5, 2, 1), (3, 1, 1)]
    fields = []
    for seed in range(40):
        torch.manual_seed(seed)
        widths = (3, 16, 16, 16, 16)
        net = nn.Sequential(
            *(
                nn.Conv2d(a, b, k, s, d * (k // 2), d)
                for (k, s, d), a, b in zip(layers, widths, widths[1:], strict=False)
            )
        )
        fields.append(effective_field(net, torch.zeros(1, 3, 48, 48), seeds=2))
    jumps = np.cumprod([1] + [s for _, s, _ in layers])
    variance = sum((d * j) ** 2 * (k**2 - 1) / 12 for (k, _, d), j in zip(layers, jumps, strict=False))
    gaussian = fit_gaussian(np.mean(fields, axis=0))
    assert gaussian.sigma == pytest.approx((variance**0.5,) * 2, rel=0.05)
    assert gaussian.centre == pytest.approx((24, 24), abs=0.3)
    assert gaussian.area == pytest.approx(4 * np.pi * variance, rel=0.1)


def test_draws_and_images_are_averaged() -> None:
    """With two channels and one tap, E (v₁ a + v₂ b)² = a² + b²."""
    net = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([3.0, 4.0]).view(2, 1, 1, 1))
    field = effective_field(net, torch.zeros(2, 1, 5, 5), at=(1, 3), seeds=4000)
    assert field[1, 3] == pytest.approx(25, rel=0.1)
    assert np.count_nonzero(field) == 1


def test_images_count_alike() -> None:
    """The derivative of x² is 2x: two images give the mean of both squares."""

    class Square(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x

    image = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    one, three, both = (effective_field(Square(), part, seeds=1)[1, 1] for part in (image[:1], image[1:], image))
    assert three == pytest.approx(9 * one)
    assert both == pytest.approx((one + three) / 2)


def test_moments_of_a_known_gaussian() -> None:
    rows, columns = np.indices((81, 81))
    field = np.exp(-((rows - 40) ** 2) / (2 * 5.0**2) - (columns - 30) ** 2 / (2 * 7.0**2))
    gaussian = fit_gaussian(field)
    assert gaussian.centre == pytest.approx((40, 30), abs=0.01)
    assert gaussian.sigma == pytest.approx((5, 7), rel=1e-3)
    assert gaussian.inside == pytest.approx(1 - np.exp(-2), abs=0.01)
    assert gaussian.area == pytest.approx(4 * np.pi * 35, rel=1e-3)


def test_the_network_is_left_as_it_was() -> None:
    net = create_model("bisenet", classes=2, **CATALOG["bisenet"].tiny).train()
    net.backbone.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = torch.zeros(1, 3, 64, 64)
    effective_field(net, images, seeds=1)
    assert net.training
    assert not net.backbone.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert images.grad is None
    assert not images.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "stage 2"}, UnknownNameError, "no map `stage 2`"),
        ({"at": (5, 5)}, ArgumentError, r"`at` \(=\(5, 5\)\) lies outside the map `logits` of 5 rows and 5 columns"),
        ({"seeds": 0}, ArgumentError, r"`seeds` \(=0\) must be at least 1"),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        effective_field(nn.Conv2d(1, 1, 3, padding=1), torch.zeros(1, 1, 5, 5), **options)


def test_a_dead_position_is_said() -> None:
    net = create_model("fcn32s", classes=2, **CATALOG["fcn32s"].tiny)
    field = effective_field(net, torch.zeros(1, 3, 64, 64), seeds=1)
    with pytest.raises(ArgumentError, match="field is zero everywhere"):
        fit_gaussian(field)
