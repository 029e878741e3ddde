"""U-Net's options: how maps grow, and how skips join."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from intarsia.models import create_model

WIDTHS = (16, 16, 8, 8, 8)


def tiny(**options: Any) -> Any:
    torch.manual_seed(0)
    return create_model("unet", "test_resnet", classes=3, widths=WIDTHS, **options).eval()


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_fixed_upsampling_is_interpolation(upsampling: str) -> None:
    decoder, image = tiny(upsampling=upsampling).decoder, torch.randn(1, 3, 64, 96)
    features = tiny().backbone(image)
    grown = F.interpolate(features[-1], scale_factor=2, mode=upsampling)
    expected = decoder.stages[0](torch.cat([grown, features[decoder.skips[0]]], 1))
    seen = []
    decoder.stages[0].register_forward_hook(lambda *arguments: seen.append(arguments[-1]))
    decoder(features)
    torch.testing.assert_close(seen[0], expected)


def test_learned_upsampling_is_the_papers_up_convolution() -> None:
    ups = list(tiny(upsampling="deconvolution").decoder.upsamplings)
    assert [type(up) for up in ups] == [nn.ConvTranspose2d] * 5
    assert [(up.out_channels, up.kernel_size, up.stride) for up in ups] == [(w, (2, 2), (2, 2)) for w in WIDTHS]


def test_a_dilated_backbone_needs_fewer_up_convolutions() -> None:
    net = tiny(upsampling="deconvolution", output_stride=8)
    assert [type(up) for up in net.decoder.upsamplings] == [nn.Identity] * 2 + [nn.ConvTranspose2d] * 3
    assert net(torch.randn(1, 3, 40, 56)).shape == (1, 3, 40, 56)


def test_added_skips_are_narrowed_and_added() -> None:
    net = tiny(skip="add")
    decoder, features = net.decoder, net.backbone(torch.randn(1, 3, 64, 64))
    x = features[-1]
    for projection, stage, skip in zip(decoder.projections, decoder.stages, decoder.skips, strict=True):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = stage(x if skip is None else x + projection(features[skip]))
    torch.testing.assert_close(decoder(features), x)
    assert [stage[0][0].in_channels for stage in decoder.stages[1:]] == list(WIDTHS[:-1])
