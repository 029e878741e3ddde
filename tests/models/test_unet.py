"""U-Net's options: how maps grow, and how skips join."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from intarsia.errors import ArgumentError
from intarsia.layers import ResizeConvolution
from intarsia.models import create_model

WIDTHS = (16, 16, 8, 8, 8)


def tiny(**options: Any) -> Any:
    torch.manual_seed(0)
    return create_model("unet", "test_resnet", classes=3, widths=WIDTHS, **options).eval()


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_fixed_upsampling_is_interpolation(upsampling: str) -> None:
    decoder, image = tiny(upsampling=upsampling).decoder, torch.randn(1, 3, 64, 96)
    maps = tiny().backbone(image)
    grown = F.interpolate(maps[-1], scale_factor=2, mode=upsampling)
    expected = decoder.stages[0](torch.cat([grown, maps[decoder.skips[0]]], 1))
    seen = []
    decoder.stages[0].register_forward_hook(lambda *arguments: seen.append(arguments[-1]))
    decoder((image, *maps))
    torch.testing.assert_close(seen[0], expected)


def test_learned_upsampling_is_the_papers_up_convolution() -> None:
    ups = list(tiny(upsampling="deconvolution").decoder.upsamplings)
    assert [type(up) for up in ups] == [nn.ConvTranspose2d] * 5
    assert [(up.out_channels, up.kernel_size, up.stride) for up in ups] == [(w, (2, 2), (2, 2)) for w in WIDTHS]


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_any_up_kernel_doubles_exactly(kernel: int) -> None:
    """Output o gathers input i by the tap o − 2i + p, and so does the transposed convolution, for p = (k − 1) // 2."""
    decoder = tiny(upsampling="deconvolution", up_kernel=kernel).decoder
    for up in decoder.upsamplings:
        assert (up.kernel_size, up.stride, up.padding) == ((kernel,) * 2, (2, 2), ((kernel - 1) // 2,) * 2)
    up = decoder.upsamplings[-1].double()
    x = torch.randn(1, up.in_channels, 3, 4, dtype=torch.float64)
    expected = up.bias.detach()[:, None, None].repeat(1, 6, 8)
    for i, j in itertools.product(range(3), range(4)):
        for o, q in itertools.product(range(6), range(8)):
            row, column = o - 2 * i + (kernel - 1) // 2, q - 2 * j + (kernel - 1) // 2
            if 0 <= row < kernel and 0 <= column < kernel:
                expected[:, o, q] += x[0, :, i, j] @ up.weight[:, :, row, column].detach()
    torch.testing.assert_close(up(x)[0], expected)


def test_resizing_first_is_repetition_and_a_convolution() -> None:
    net = tiny(upsampling="resize_convolution")
    ups = net.decoder.upsamplings
    assert [(type(up), up.convolution.out_channels) for up in ups] == [(ResizeConvolution, w) for w in WIDTHS]
    x = torch.randn(1, ups[0].convolution.in_channels, 2, 3)
    torch.testing.assert_close(ups[0](x), ups[0].convolution(F.interpolate(x, scale_factor=2.0)))
    assert net(torch.randn(1, 3, 40, 56)).shape == (1, 3, 40, 56)


def test_an_unknown_up_kernel_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Option of unet: `up_kernel` \(=5\): input should be 2, 3 or 4"):
        create_model("unet", "test_resnet", upsampling="deconvolution", up_kernel=5)


def test_a_dilated_backbone_needs_fewer_up_convolutions() -> None:
    net = tiny(upsampling="deconvolution", output_stride=8)
    assert [type(up) for up in net.decoder.upsamplings] == [nn.Identity] * 2 + [nn.ConvTranspose2d] * 3
    assert net(torch.randn(1, 3, 40, 56)).shape == (1, 3, 40, 56)


def test_added_skips_are_narrowed_and_added() -> None:
    net = tiny(skip="add")
    decoder, image = net.decoder, torch.randn(1, 3, 64, 64)
    maps = net.backbone(image)
    x = maps[-1]
    for projection, stage, skip in zip(decoder.projections, decoder.stages, decoder.skips, strict=True):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = stage(x if skip is None else x + projection(maps[skip]))
    torch.testing.assert_close(decoder((image, *maps)), x)
    assert [stage[0][0].in_channels for stage in decoder.stages[1:]] == list(WIDTHS[:-1])


@pytest.mark.parametrize("upsampling", ["nearest", "deconvolution"])
@pytest.mark.parametrize("size", [(161, 209), (64, 96)])
def test_unpadded_maps_double_and_lose_what_is_beyond_the_finer_one(upsampling: str, size: tuple[int, int]) -> None:
    net = tiny(upsampling=upsampling, padded=False)
    decoder, image = net.decoder, torch.randn(1, 3, *size)
    maps = net.backbone(image)
    x = maps[-1]
    for up, stage, skip in zip(decoder.upsamplings, decoder.stages, decoder.skips, strict=True):
        finer = image if skip is None else maps[skip]
        x = up(x) if upsampling == "deconvolution" else F.interpolate(x, scale_factor=2, mode="nearest")
        x = x[..., : finer.shape[-2], : finer.shape[-1]]
        x = stage(x if skip is None else torch.cat([x, finer], 1))
    torch.testing.assert_close(net(image), net.head(x))


@pytest.mark.parametrize("options", [{}, {"upsampling": "bilinear"}, {"upsampling": "deconvolution"}, {"skip": "add"}])
@pytest.mark.parametrize("backbone", ["test_resnet", "vgg16", "test_convnext"])
def test_unpadded_any_backbone_runs_at_odd_sizes(backbone: str, options: dict[str, Any]) -> None:
    """VGG and ConvNeXt round down: there the finer map has more than twice as many samples."""
    with torch.device("meta"):
        net = create_model("unet", backbone, classes=3, widths=WIDTHS, padded=False, **options).eval()
        assert net(torch.empty(1, 3, 97, 75)).shape == (1, 3, 97, 75)
