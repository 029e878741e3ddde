"""Up-projection against zeros that are written and convolved."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.layers.up_projection import UpConvolution, UpProjection, transposed_weight


def between_zeros(x: Tensor, size: tuple[int, int]) -> Tensor:
    wide = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    wide[:, :, ::2, ::2] = x
    return wide[:, :, : size[0], : size[1]]


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(8, 10), (7, 10), (7, 9)])
def test_an_up_convolution_is_a_convolution_behind_zeros(kernel: int, size: tuple[int, int]) -> None:
    """Zeros are cut before the convolution in the published code, and behind it here."""
    block, x = UpConvolution(3, 2, kernel).double(), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    weight = transposed_weight(block.transposed.weight)
    expected = F.conv2d(between_zeros(x, size), weight, padding=kernel // 2)
    torch.testing.assert_close(block(x, size), expected)


@pytest.mark.parametrize("beside", [0, 4])
def test_a_projection_is_refined_and_added(beside: int) -> None:
    block = UpProjection(3, 2, beside).double().eval()
    for norm in (m for m in block.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    x, finer = torch.randn(1, 3, 4, 5, dtype=torch.float64), torch.randn(1, 4, 7, 10, dtype=torch.float64)
    wide = between_zeros(x, (7, 10))
    out = F.relu(block.norm(F.conv2d(wide, transposed_weight(block.up.transposed.weight), padding=2)))
    if beside:
        joined = F.conv2d(torch.cat([out, finer], 1), block.join[0].weight, padding=1)
        out = F.relu(block.join[1](joined))
    refined = block.refine[1](F.conv2d(out, block.refine[0].weight, padding=1))
    shortcut = block.shortcut_norm(F.conv2d(wide, transposed_weight(block.shortcut.transposed.weight), padding=2))
    torch.testing.assert_close(block(x, (7, 10), finer if beside else None), F.relu(refined + shortcut))


def test_what_a_map_is_short_of_is_zero() -> None:
    """Pooling that rounds down turns 9 rows into 4, of which 8 come back."""
    block, x = UpConvolution(3, 2, kernel=5), torch.randn(1, 3, 4, 5)
    out = block(x, (9, 10))
    torch.testing.assert_close(out[:, :, :8], block(x, (8, 10)))
    assert not out[:, :, 8].any()
