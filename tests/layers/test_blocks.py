"""Laws of the decoder blocks."""

import pytest
import torch
from torch import nn

from intarsia.errors import ArgumentError
from intarsia.layers import (
    ASPP,
    PooledBatchNorm2d,
    PyramidPooling,
    convolution,
    pad_to_multiple,
    resize,
    separable_convolution,
)


def test_pooled_batch_norm_is_batch_norm_unless_there_is_one_value() -> None:
    ours, theirs = PooledBatchNorm2d(3).train(), nn.BatchNorm2d(3).train()
    many = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(ours(many), theirs(many))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs(many[:1])
    before = ours.running_mean.clone()
    torch.testing.assert_close(ours(many[:1]), ours.eval()(many[:1]))
    torch.testing.assert_close(ours.running_mean, before)


def test_aspp_sees_as_far_as_its_largest_rate() -> None:
    aspp = ASPP(2, 4, rates=(3, 6)).eval().double()
    aspp.image_pooling = nn.Sequential(nn.Conv2d(2, 4, 1).double())  # no ReLU, so that its gradient always shows
    nn.init.zeros_(aspp.image_pooling[0].weight)  # the image-wide branch sees everything
    for branch in aspp.branches:
        for module in branch.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.ones_(module.weight)
    nn.init.ones_(aspp.project[0].weight)
    image = torch.rand(1, 2, 25, 25, dtype=torch.float64, requires_grad=True)
    aspp(image)[0, :, 12, 12].sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)) > 0
    rows = sorted({int(row) for row in seen.nonzero()[:, 0]})
    assert rows == [6, 9, 12, 15, 18]
    assert int(seen.sum()) == 1 + 8 + 8


def test_pyramid_of_a_constant_is_constant_and_keeps_the_map() -> None:
    pooling = PyramidPooling(8, (1, 2, 3, 6)).eval()
    x = torch.full((1, 8, 7, 9), 2.0)
    out = pooling(x)
    assert out.shape == (1, 16, 7, 9)
    torch.testing.assert_close(out[:, :8], x)
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out))


def test_separable_convolution_counts() -> None:
    assert sum(p.numel() for p in separable_convolution(8, 16).parameters()) == 8 * 9 + 2 * 8 + 8 * 16 + 2 * 16


def test_resize_keeps_corners_or_edges() -> None:
    ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    torch.testing.assert_close(resize(ramp, (9, 9), align_corners=True)[0, 0, 0], torch.arange(9.0) / 2)
    torch.testing.assert_close(resize(ramp, (10, 10))[0, 0, 0, 1:3], torch.tensor([0.25, 0.75]))


def test_pad_to_multiple_adds_zeros_below_and_right() -> None:
    padded = pad_to_multiple(torch.ones(1, 1, 5, 8), 4)
    assert padded.shape == (1, 1, 8, 8)
    assert padded[..., :5, :].min() == 1
    assert padded[..., 5:, :].max() == 0


def test_pyramid_pools_means_over_its_bins() -> None:
    pooling = PyramidPooling(4, (1, 2), align_corners=True).eval()
    pooling.levels = nn.ModuleList(nn.Identity() for _ in range(2))
    x = torch.randn(1, 4, 6, 4)
    out = pooling(x)
    torch.testing.assert_close(out[:, 4:8], x.mean((2, 3), keepdim=True).expand(-1, -1, 6, 4))
    bins = torch.stack(
        [
            torch.stack([x[..., r, c].mean((2, 3)) for c in (slice(0, 2), slice(2, 4))], -1)
            for r in (slice(0, 3), slice(3, 6))
        ],
        -2,
    )
    torch.testing.assert_close(out[:, 8:, [0, 0, 5, 5], [0, 3, 0, 3]], bins.flatten(2))


def test_aspp_pools_the_mean_of_the_image() -> None:
    aspp = ASPP(2, 3, rates=(1,), dropout=0.0).eval()
    seen: list[torch.Tensor] = []
    aspp.image_pooling.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.randn(1, 2, 5, 7)
    aspp(x)
    torch.testing.assert_close(seen[0], x.mean((2, 3), keepdim=True))


def test_a_separable_convolution_is_its_two_parts() -> None:
    x = torch.randn(1, 2, 9, 9)
    for depthwise_norm in (True, False):
        block = separable_convolution(2, 3, dilation=2, depthwise_norm=depthwise_norm).train()
        depthwise, *between, pointwise, norm, _ = block
        half = nn.functional.conv2d(x, depthwise.weight, padding=2, dilation=2, groups=2)
        half = between[0](half).relu() if depthwise_norm else half
        torch.testing.assert_close(block(x), norm(pointwise(half)).relu())


@pytest.mark.parametrize("rates", [(), (1,), (2, 3), (6, 12, 18, 24)])
def test_aspp_without_image_pooling(rates: tuple[int, ...]) -> None:
    aspp = ASPP(4, 3, rates, image_pooling=False).eval()
    assert len(aspp.branches) == 1 + len(rates)
    assert aspp.project[0].in_channels == 3 * (1 + len(rates))
    assert aspp(torch.randn(1, 4, 5, 7)).shape == (1, 3, 5, 7)
    assert aspp.fewest_positions == min(rates, default=0) + 1


@pytest.mark.parametrize(("rate", "degenerate"), [(7, True), (9, True), (6, False)])
def test_a_rate_as_large_as_the_map_leaves_a_pointwise_convolution(rate: int, degenerate: bool) -> None:
    """DeepLab v3, section 3.3: the outer taps see padding only."""
    branch = ASPP(4, 3, (rate,), block=convolution).eval().double().branches[1]
    x = torch.randn(1, 4, 7, 7, dtype=torch.float64)
    centre = nn.functional.conv2d(x, branch[0].weight[..., 1:2, 1:2])
    expected = branch[2](branch[1](centre))
    assert torch.allclose(branch(x), expected, rtol=1e-12, atol=1e-12) == degenerate


def test_pyramid_levels_may_have_any_bins_and_width() -> None:
    pooling = PyramidPooling(8, (1, 5), channels=3).eval()
    assert pooling.out_channels == 8 + 2 * 3
    assert pooling(torch.randn(1, 8, 7, 9)).shape == (1, 14, 7, 9)


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"`rates` \(=\(0, 6\)\) must be one or more"):
        ASPP(4, 3, (0, 6))
    with pytest.raises(ArgumentError, match=r"`bins` \(=\(1, 0\)\) must be one or more"):
        PyramidPooling(8, (1, 0))
    with pytest.raises(ArgumentError, match=r"`bins` \(=\(1, 2, 3\)\) leave no channel of 2 for each"):
        PyramidPooling(2, (1, 2, 3))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_pyramid_keeps_the_layout_of_its_map_both_ways(layout: torch.memory_format) -> None:
    """Otherwise four sums of gradients over two layouts take as long as three convolutions do."""
    pyramid, seen = ASPP(16, 8, rates=(1, 2), block=convolution).to(memory_format=layout), []
    pyramid.project.register_forward_pre_hook(lambda _, maps: seen.append(maps[0]))
    leaf = torch.randn(2, 16, 6, 7).contiguous(memory_format=layout).requires_grad_()
    x = leaf * 1
    x.register_hook(seen.append)
    pyramid(x).square().sum().backward()
    assert len(seen) == 2
    assert all(tensor.is_contiguous(memory_format=layout) for tensor in seen)
