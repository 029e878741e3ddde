"""Unevenness: the law of kernel and stride, and what layers with weights do to constants."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.diagnostics.fields.checkerboard import (
    check_resamplings,
    downsamplings,
    image_gradient,
    upsamplings,
)
from intarsia.diagnostics.fields.unevenness import overlap, tap_sums, unevenness
from intarsia.errors import ArgumentError
from intarsia.layers import BilinearDeconvolution, DenseUpsamplingConvolution, ResizeConvolution, SubPixel
from intarsia.models import CATALOG, create_model

IMAGE = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("kernel", range(1, 9))
def test_overlap_is_what_ones_give(kernel: int, stride: int, dilation: int) -> None:
    ones = torch.ones(1, 1, 40, 40)
    out = F.conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), stride=stride, dilation=dilation)
    start = 20 * stride
    counts = overlap(kernel, stride, dilation)
    torch.testing.assert_close(out[0, 0, start : start + stride, start : start + stride], counts.float())
    alike = kernel % stride == 0 and math.gcd(dilation, stride) == 1
    assert (unevenness(counts) == 0) == alike


def test_unevenness_of_known_patterns() -> None:
    assert unevenness(overlap(3, 2)) == pytest.approx((1 - 2.25**2 / 6.25) ** 0.5)
    assert unevenness(torch.tensor([[[1.0, -1.0], [1.0, -1.0]]])) == 1
    assert unevenness(torch.zeros(3, 2, 2)) == 0
    assert unevenness(torch.full((1, 3, 3), 0.1)) == 0
    both = torch.stack([torch.ones(2, 2), torch.tensor([[1.0, -1.0], [1.0, -1.0]])])
    assert unevenness(both) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(("kernel", "stride", "dilation", "groups"), [(3, 2, 1, 1), (4, 2, 1, 2), (5, 3, 2, 1)])
def test_tap_sums_forward_and_backward(kernel: int, stride: int, dilation: int, groups: int) -> None:
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(4, 6, kernel, stride, dilation=dilation, groups=groups, bias=False).double()
    out = up(torch.ones(1, 4, 20, 20).double())
    period = slice(8 * stride, 9 * stride)
    torch.testing.assert_close(tap_sums(up.weight, stride, dilation, groups), out[0, :, period, period])
    down = nn.Conv2d(4, 6, kernel, stride, dilation=dilation, groups=groups).double()
    x = torch.zeros(1, 4, 20 * stride, 20 * stride, dtype=torch.float64, requires_grad=True)
    down(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(tap_sums(down.weight, stride, dilation, groups), x.grad[0, :, period, period])


@pytest.mark.parametrize(
    ("block", "how", "structure", "own"),
    [
        (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), "deconvolution 3×3", False, False),
        (lambda: nn.ConvTranspose2d(3, 4, 4, 2, 1), "deconvolution 4×4", True, False),
        (lambda: BilinearDeconvolution(3, 2), "deconvolution 4×4", True, True),
        (lambda: BilinearDeconvolution(3, 3), "deconvolution 5×5", False, True),
        (lambda: ResizeConvolution(3, 4, 2), "resized, nearest", True, None),
        (lambda: nn.Upsample(scale_factor=4, mode="bilinear"), "resized, bilinear", True, None),
        (lambda: SubPixel(3, 4, 2), "channels shuffled", True, True),
        (lambda: DenseUpsamplingConvolution(3, 4, 4, (1, 2)), "channels shuffled", True, False),
    ],
)
def test_blocks(block: Callable[[], nn.Module], how: str, structure: bool, own: bool | None) -> None:
    """Even by structure; even with the weights that it starts with."""
    torch.manual_seed(0)
    net = nn.Sequential(block())
    (step,) = upsamplings(net, IMAGE)
    assert step.how == how
    assert (unevenness(step.overlap) == 0) == structure
    assert (step.own is None) == (own is None)
    if step.own is not None:
        assert (unevenness(step.own) < 1e-6) == own
        ones = torch.ones(1, 3, 21, 21)
        with torch.no_grad():
            answer = net(ones) - net(torch.zeros_like(ones))
        at = slice(10 * step.stride, 11 * step.stride)
        middle = answer[0, :, at, at]
        assert float(middle.std()) > 0 or own
        assert unevenness(middle) == pytest.approx(unevenness(step.own), abs=1e-5)  # the same up to where it begins
    given = net(IMAGE) if own is not None else F.interpolate(IMAGE, scale_factor=step.stride, mode=how.split()[1])
    torch.testing.assert_close(step.map, given)


def test_a_plain_shuffle_has_nothing_of_its_own_and_broken_factors_are_no_steps() -> None:
    (step,) = upsamplings(nn.Sequential(nn.Conv2d(3, 16, 3), nn.PixelShuffle(2)), IMAGE)
    assert step.own is None
    assert upsamplings(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample((64, 76))), IMAGE) == ()


def test_training_a_sub_pixel_block_may_make_it_uneven() -> None:
    net = nn.Sequential(SubPixel(3, 4, 2))
    with torch.no_grad():
        net[0].convolution.weight += 0.1 * torch.randn(net[0].convolution.weight.shape)  # pyright: ignore
    (step,) = upsamplings(net, IMAGE)
    assert step.own is not None
    assert unevenness(step.own) > 0.01


@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("fcn8s", {}, [("decoder.upsamplings.0", 2), ("decoder.upsamplings.1", 2), ("head", 8)]),
        ("unet", {}, [("decoder", 2)] * 5),
        ("unet", {"upsampling": "deconvolution"}, [(f"decoder.upsamplings.{i}", 2) for i in range(5)]),
        ("pspnet", {}, [("decoder.pooling", 3), ("decoder.pooling", 4), ("decoder.pooling", 2), ("", 8)]),
        ("duc", {}, [("head", 8)]),
    ],
)
def test_steps_of_networks(name: str, options: dict[str, Any], steps: list[tuple[str, int]]) -> None:
    net = create_model(name, classes=3, **{**CATALOG[name].tiny, **options})
    found = [(step.name, step.stride) for step in upsamplings(net, torch.rand(1, 3, 64, 64))]
    if name == "pspnet":
        found = [step for step in found if step[0] != "decoder.pooling"]
        steps = steps[-1:]
    assert found == steps


def test_backward_steps_are_those_of_the_backbone() -> None:
    net = create_model("unet", classes=3, **CATALOG["unet"].tiny)
    steps = downsamplings(net, torch.rand(2, 3, 64, 96))
    assert [(step.stride, step.map.shape[-2:]) for step in steps][:2] == [(2, (64, 96)), (2, (32, 48))]
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3)).requires_grad_()
    net.eval()(image).amax(1).sum().backward()
    assert image.grad is not None
    torch.testing.assert_close(downsamplings(net, image)[0].map, image.grad)
    torch.testing.assert_close(image_gradient(net, image), image.grad)
    assert steps[0].artefact is not None
    assert steps[-1].artefact is None  # a map of 4×6


def test_a_strided_convolution_of_one_tap_passes_nothing_to_three_pixels_of_four() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2, bias=False), nn.Conv2d(8, 2, 1))
    (step,) = downsamplings(net, IMAGE)
    assert overlap(1, 2).tolist() == [[1, 0], [0, 0]]
    assert unevenness(step.overlap) == pytest.approx(0.75**0.5)
    assert step.own is not None
    assert unevenness(step.own) == pytest.approx(0.75**0.5)
    assert step.map[..., 1::2, :].abs().max() == 0
    assert step.artefact is not None
    assert step.artefact > 50


@pytest.mark.parametrize("look", [upsamplings, downsamplings])
def test_the_network_is_left_as_it_was(look: Callable[[nn.Module, Tensor], Any]) -> None:
    net = create_model("bisenet", classes=2, **CATALOG["bisenet"].tiny).train()
    net.backbone.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    image = torch.rand(1, 3, 64, 64)
    look(net, image)
    assert net.training
    assert not net.backbone.training
    assert not image.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_network_of_one_resolution_is_refused() -> None:
    net = nn.Conv2d(3, 3, 3, padding=1)
    with pytest.raises(ArgumentError, match="Conv2d neither upsamples nor has a strided layer"):
        check_resamplings(net, upsamplings(net, IMAGE), downsamplings(net, IMAGE))
