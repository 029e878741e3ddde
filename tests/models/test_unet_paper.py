"""U-Net of the paper: its sizes, its parameters, its mirrors."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as T

from intarsia.backbones import create_backbone
from intarsia.backbones.dilate import dilate
from intarsia.backbones.law import law_deviations
from intarsia.backbones.unet_contracting import ContractingPath
from intarsia.data import Classes
from intarsia.errors import ArgumentError
from intarsia.inference import Execution, Preprocessing, Segmenter
from intarsia.models import create_model
from intarsia.models.framing import Mirrored

PADDED = {"backbone": "unet_contracting_bn", "widths": (512, 256, 128, 64), "upsampling": "deconvolution"}

COUNTS = [
    # name, arguments, channels, classes, parameters: measured on builds of figure 1, and of milesial/Pytorch-UNet
    ("unet_paper", {}, 1, 2, 31_030_658),
    ("unet_paper", {}, 3, 21, 31_033_045),
    ("unet", PADDED, 3, 2, 31_037_698),
    ("unet", PADDED, 1, 2, 31_036_546),
    ("unet", PADDED, 3, 1, 31_037_633),
]


@pytest.mark.parametrize(("name", "arguments", "channels", "classes", "parameters"), COUNTS)
def test_parameter_counts(name: str, arguments: Any, channels: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        net = create_model(name, in_channels=channels, classes=classes, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_572_pixels_give_388() -> None:
    with torch.device("meta"):
        net = create_model("unet_paper", classes=2, in_channels=1)
        assert net.maps(torch.empty(1, 1, 572, 572))[0].shape == (1, 2, 388, 388)
        features = net.backbone(torch.empty(1, 1, 572, 572))
    assert [f.shape[-1] for f in features] == [568, 280, 136, 64, 28], "the numbers of figure 1"
    assert net.decoder.crops == [4, 16, 40, 88]
    assert net.frame == Mirrored((572 - 388) // 2, 16)


def test_skips_are_cropped_at_their_middle() -> None:
    net = create_model("unet_paper", "test_unet_contracting", classes=3).eval()
    features = net.backbone(torch.randn(1, 3, 188, 220))
    x, decoder = features[-1], net.decoder
    for upsampling, level, skip in zip(decoder.upsamplings, decoder.levels, features[-2::-1], strict=True):
        x = upsampling(x)
        x = level(torch.cat([T.center_crop(skip, list(x.shape[-2:])), x], 1))
    torch.testing.assert_close(decoder(features), x)


@pytest.mark.parametrize("size", [(97, 113), (388, 20), (5, 7), (1, 2), (4, 36)])
def test_borders_are_mirrored_as_numpy_mirrors(size: tuple[int, int]) -> None:
    frame, image = Mirrored(92, 16), torch.randn(2, 3, *size)
    extended = frame.extend(image)
    assert all(
        side % 16 == 12 and 0 <= side - 184 - own < 16 for side, own in zip(extended.shape[-2:], size, strict=True)
    )
    more = [(0, 0), (0, 0)] + [(92, side - 92 - own) for side, own in zip(extended.shape[-2:], size, strict=True)]
    np.testing.assert_array_equal(extended.numpy(), np.pad(image.numpy(), more, mode="reflect"))


def test_overlapping_tiles_are_seamless() -> None:
    """Without padding, a tile with 92 pixels around it gives the very logits of the whole image (figure 2)."""
    torch.manual_seed(0)
    net = create_model("unet_paper", "test_unet_contracting", classes=3).eval()
    image = torch.randn(1, 3, 188 + 32, 188 + 48)
    (whole,), (tile,) = net.maps(image), net.maps(image[..., 16 : 16 + 188, 32 : 32 + 188])
    torch.testing.assert_close(tile, whole[..., 16:20, 32:36])


def test_a_large_picture_in_tiles_is_the_picture_at_once() -> None:
    torch.manual_seed(0)
    net = create_model("unet_paper", "test_unet_contracting", classes=2).eval()
    image = np.random.default_rng(0).integers(0, 256, (40, 1500, 3), dtype=np.uint8)
    classes, prepared = Classes(("a", "b"), ((0, 0, 0), (9, 9, 9))), Preprocessing((0.5,) * 3, (0.25,) * 3)
    whole, tiled = (Segmenter(net, prepared, classes, Execution(), tile=t).predict(image).logits for t in (2048, 1024))
    assert whole is not None
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_dropout_stands_at_the_end_of_the_contracting_path() -> None:
    decoder = create_model("unet_paper", "test_unet_contracting", classes=3, dropout=0.25).decoder
    assert [m.p for m in decoder.modules() if isinstance(m, torch.nn.Dropout)] == [0.25]
    seen: list[torch.Tensor] = []
    decoder.upsamplings[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    maps = create_backbone("test_unet_contracting")(torch.ones(1, 3, 188, 188))
    features = tuple(torch.ones_like(f) for f in maps)
    decoder.train()(features)
    assert 0.2 < (seen[0] == 0).float().mean() < 0.3


def test_weights_have_the_papers_variance() -> None:
    torch.manual_seed(0)
    net = create_model("unet_paper", classes=2)
    for convolution, inputs in ((net.backbone.body.levels[4][2], 9 * 1024), (net.decoder.upsamplings[0], 1024)):
        assert convolution.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.01)
        assert not convolution.bias.any()


@pytest.mark.parametrize("padded", [True, False])
def test_a_denser_contracting_path_obeys_the_law(padded: bool) -> None:
    strided = ContractingPath(3, 4, padded=padded, norm=padded)
    side = 192 if padded else 188
    image = torch.randn(1, 3, side, side)
    assert max(law_deviations(strided, dilate(copy.deepcopy(strided), 8), image).values()) < 1e-9


@pytest.mark.parametrize("backbone", ["test_resnet", "unet_contracting_bn"])
def test_other_backbones_are_refused(backbone: str) -> None:
    with pytest.raises(ArgumentError, match=f"own contracting path, not backbone `{backbone}`; use backbone='unet_co"):
        create_model("unet_paper", backbone)
