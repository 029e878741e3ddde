"""Upsampling against interpolation, and where checkerboards come from."""

import pytest
import torch
import torch.nn.functional as F

from intarsia.errors import ArgumentError
from intarsia.layers import (
    BilinearDeconvolution,
    DenseUpsamplingConvolution,
    ResizeConvolution,
    SubPixel,
    bilinear_filter,
)

X = torch.randn(1, 3, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bilinear_deconvolution_interpolates_in_the_interior(scale: int, dense: bool) -> None:
    out = BilinearDeconvolution(3, scale, dense=dense).double()(X)
    expected = F.interpolate(X, scale_factor=scale, mode="bilinear", align_corners=False)
    assert out.shape == expected.shape
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    torch.testing.assert_close(out[inside], expected[inside], rtol=0, atol=1e-6)  # its weights are float32
    exact = BilinearDeconvolution(3, scale, dense=dense).double()
    exact.reset_parameters()
    torch.testing.assert_close(exact(X)[inside], expected[inside], rtol=0, atol=1e-12)
    assert (exact(X) - expected).abs().max() > 0.01  # at the border zeros enter


@pytest.mark.parametrize("kernel", [3, 4, 5, 8, 16, 64])
def test_filter_is_mxnets(kernel: int) -> None:
    """Its own formula, of which f and kernel must both be even or both odd."""
    f = (kernel + 1) // 2
    c = (2 * f - 1 - kernel % 2) / (2 * f)
    row = torch.tensor([1 - abs(x / f - c) for x in range(kernel)], dtype=torch.float64)
    torch.testing.assert_close(bilinear_filter(kernel), row[:, None] * row)


@pytest.mark.parametrize(("scale", "count"), [(2, 21**2 * 4**2), (8, 21**2 * 16**2), (32, 1_806_336)])
def test_dense_form_is_fcns(scale: int, count: int) -> None:
    deconvolution = BilinearDeconvolution(21, scale, dense=True, padding=0)
    assert deconvolution.weight.numel() == count
    assert deconvolution.weight.count_nonzero() == 21 * (2 * scale) ** 2
    assert deconvolution(torch.zeros(1, 21, 3, 4)).shape == (1, 21, scale * 4, scale * 5)


def test_bilinear_deconvolution_is_frozen_unless_it_learns() -> None:
    assert not BilinearDeconvolution(3, 2).weight.requires_grad
    assert BilinearDeconvolution(3, 2, learnable=True).weight.requires_grad


@pytest.mark.parametrize("kernel", range(1, 9))
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_ones_stay_even_inside_only_where_the_stride_divides_the_kernel(kernel: int, stride: int) -> None:
    """Why the kernel of an upsampling is a multiple of its stride: uneven overlap is a checkerboard."""
    overlap = F.conv_transpose2d(torch.ones(1, 1, 12, 12), torch.ones(1, 1, kernel, kernel), stride=stride)
    inside = overlap[..., kernel:-kernel, kernel:-kernel]
    assert bool((inside == inside[..., :1, :1]).all()) == (kernel % stride == 0)


@pytest.mark.parametrize("scale", [2, 3])
def test_sub_pixel_starts_as_nearest_neighbour_upsampling(scale: int) -> None:
    block = SubPixel(3, 4, scale).double()
    convolved = F.conv2d(X, block.convolution.weight[:: scale**2], block.convolution.bias[:: scale**2], padding=1)
    expected = F.interpolate(convolved, scale_factor=scale, mode="nearest")
    torch.testing.assert_close(block(X), expected)
    assert expected.std() > 0.1


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resize_convolution_of_a_constant_is_even_up_to_the_border(mode: str) -> None:
    out = ResizeConvolution(3, 2, scale=2, mode=mode)(torch.ones(1, 3, 4, 5))
    assert out.shape == (1, 2, 8, 10)
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out))


def test_resize_convolution_is_its_two_parts() -> None:
    block = ResizeConvolution(3, 2, scale=3).double()
    larger = F.interpolate(X, scale_factor=3, mode="nearest")
    expected = F.conv2d(F.pad(larger, (1, 1, 1, 1), "reflect"), block.convolution.weight, block.convolution.bias)
    torch.testing.assert_close(block(X), expected)


def test_dense_upsampling_shuffles_the_sum_of_its_branches() -> None:
    block = DenseUpsamplingConvolution(3, classes=2, scale=4, rates=(1, 2)).double()
    cells = sum(branch(X) for branch in block.branches)
    out = block(X)
    assert out.shape == (1, 2, 28, 36)
    for row, column in ((0, 0), (1, 3), (3, 2)):
        torch.testing.assert_close(out[:, :, row::4, column::4], cells[:, [row * 4 + column, 16 + row * 4 + column]])


def test_dense_upsampling_counts_as_the_authors() -> None:
    with torch.device("meta"):
        block = DenseUpsamplingConvolution(2048, classes=19, scale=8)
    assert sum(p.numel() for p in block.parameters()) == 4 * (19 * 64 * (2048 * 9 + 1))
    assert [branch.dilation[0] for branch in block.branches] == [6, 12, 18, 24]


SCALED = {
    "bilinear": lambda scale: BilinearDeconvolution(3, scale),
    "resize": lambda scale: ResizeConvolution(3, 3, scale),
    "sub-pixel": lambda scale: SubPixel(3, 3, scale),
    "dense": lambda scale: DenseUpsamplingConvolution(3, 3, scale),
}


@pytest.mark.parametrize("name", SCALED)
def test_a_scale_of_one_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"`scale` \(=1\) must be at least 2"):
        SCALED[name](1)
