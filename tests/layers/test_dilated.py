"""Each dilated layer against PyTorch's own, where PyTorch has one, and against its strided original."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from intarsia.layers import DilatedAvgPool2d, DilatedConv2d, DilatedMaxPool2d, Sides, same_padding

IMAGE = torch.randn(2, 4, 13, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sides", [Sides(1, 1, 1, 1), Sides(0, 2, 0, 2), Sides(2, 1, 0, 3)])
def test_convolution_pads_each_side(sides: Sides) -> None:
    conv = DilatedConv2d(4, 3, (3, 3), stride=(2, 2), dilation=(2, 2), sides=sides).double()
    expected = F.conv2d(F.pad(IMAGE, sides), conv.weight, conv.bias, 2, 0, 2)
    torch.testing.assert_close(conv(IMAGE), expected)


def test_convolution_has_the_names_of_conv2d() -> None:
    dilated = DilatedConv2d(4, 3, (3, 3), sides=Sides(1, 1, 1, 1))
    assert dilated.state_dict().keys() == nn.Conv2d(4, 3, 3).state_dict().keys()


@pytest.mark.parametrize("dilation", [1, 2])
def test_max_pool_with_symmetric_sides_is_pytorchs(dilation: int) -> None:
    pool = DilatedMaxPool2d((3, 3), dilation=(dilation, dilation), sides=Sides(1, 1, 1, 1))
    torch.testing.assert_close(pool(IMAGE - 5), F.max_pool2d(IMAGE - 5, 3, 1, 1, dilation))


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 1, 2)])
def test_avg_pool_without_dilation_is_pytorchs(kernel: int, stride: int, padding: int, include: bool) -> None:
    sides = Sides(padding, padding, padding, padding)
    counted = sides if include else Sides(0, 0, 0, 0)
    pool = DilatedAvgPool2d((kernel, kernel), stride=(stride, stride), sides=sides, counted=counted)
    expected = F.avg_pool2d(IMAGE, kernel, stride, padding, count_include_pad=include)
    torch.testing.assert_close(pool(IMAGE), expected)


def test_dilated_mean_of_a_constant_is_the_constant() -> None:
    pool = DilatedAvgPool2d((2, 2), dilation=(4, 4), sides=Sides(0, 4, 0, 4))
    torch.testing.assert_close(pool(torch.full((1, 1, 9, 9), 3.0)), torch.full((1, 1, 9, 9), 3.0))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (7, 2), (1, 2)])
def test_same_padding_keeps_ceil(kernel: int, stride: int) -> None:
    size = 16
    before, after = same_padding(kernel, stride)
    assert (size + before + after - kernel) // stride + 1 == size // stride
    assert 0 <= after - before <= 1
