"""FCN: crops from geometry, counts, the way from 32s to 8s, and a dot that lands where it should."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones import vgg
from intarsia.backbones.backbone import Backbone
from intarsia.errors import ArgumentError
from intarsia.layers import BilinearDeconvolution
from intarsia.models import SegmentationNetwork, create_model, fcn, warm_start

NAMES = ("fcn32s", "fcn16s", "fcn8s")

COUNTS = [
    # name, form, parameters with and without deconvolutions: wkentaro/pytorch-fcn, 21 classes
    ("fcn32s", "wkentaro", 136_152_917, 134_346_581),
    ("fcn16s", "wkentaro", 134_815_994, 134_357_354),
    ("fcn8s", "wkentaro", 134_489_759, 134_362_751),
    ("fcn8s", "paper", 134_362_751 + 21 * (4**2 + 4**2 + 16**2), 134_362_751),
]


def on_meta(name: str, backbone: str = "vgg16_fcn", **arguments: Any) -> SegmentationNetwork:
    with torch.device("meta"):
        return create_model(name, backbone, **arguments)


def offset(net: SegmentationNetwork) -> int:
    return net.frame.offset  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("name", "form", "all_", "without"), COUNTS)
def test_parameter_counts(name: str, form: str, all_: int, without: int) -> None:
    net = on_meta(name, form=form)
    deconvolutions = [m.weight.numel() for m in net.modules() if isinstance(m, BilinearDeconvolution)]
    assert sum(p.numel() for p in net.parameters()) == all_
    assert all_ - sum(deconvolutions) == without


CROPS = [
    # the authors' net.py: 19 | 5 (of the skip), 27 | 5, 9 (of the skips), 31
    ("fcn32s", "vgg16_fcn", 32, [], 19),
    ("fcn16s", "vgg16_fcn", 32, [-5], 27),
    ("fcn8s", "vgg16_fcn", 32, [-5, -9], 31),
    # maps that tile the image: half the kernel's rim
    ("fcn32s", "resnet18", 32, [], 16),
    ("fcn16s", "resnet18", 32, [1], 8),
    ("fcn8s", "resnet18", 32, [1, 1], 4),
    ("fcn8s", "resnet18", 16, [0, 1], 4),
    ("fcn8s", "resnet18", 8, [0, 0], 4),
]


@pytest.mark.parametrize(("name", "backbone", "output_stride", "crops", "last"), CROPS)
def test_crops_come_out_of_geometry(name: str, backbone: str, output_stride: int, crops: list[int], last: int) -> None:
    net = on_meta(name, backbone, output_stride=output_stride)
    assert net.decoder.crops == crops
    assert offset(net) == last


REFUSED = [
    (
        "fcn32s",
        "unet_contracting",
        32,
        "Backbone `unet_contracting` has no feature map at stride 32, only at 1, 2, 4, 8",
    ),
    ("fcn8s", "vgg16_fcn", 8, "maps of `vgg16_fcn` at output stride 8 lie half a sample apart.*use output_stride=32"),
]


@pytest.mark.parametrize(("name", "backbone", "output_stride", "sentence"), REFUSED)
def test_backbones_without_the_maps_are_refused(name: str, backbone: str, output_stride: int, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        on_meta(name, backbone, output_stride=output_stride)


def test_each_net_begins_with_the_coarser_ones_answer() -> None:
    image, nets = torch.randn(1, 3, 90, 70), []
    for name in NAMES:
        torch.manual_seed(len(nets))
        net = create_model(name, "test_resnet", classes=3).eval()
        if nets:
            new = warm_start(net, nets[-1])
            assert [n for n in new if "scores" in n] == [f"decoder.scores.{len(nets)}.{n}" for n in ("weight", "bias")]
        else:
            torch.nn.init.normal_(net.decoder.scores[0].weight)
        nets.append(net)
    coarse = nets[0].decoder(nets[0].backbone(F.pad(image, (0, 26, 0, 6))))
    doubled = BilinearDeconvolution(3, 2, padding=0)(coarse)
    again = BilinearDeconvolution(3, 2, padding=0)(doubled[..., 1:-1, 1:-1])
    for net, expected in zip(nets[1:], (doubled, again), strict=True):
        features = net.backbone(F.pad(image, (0, 26, 0, 6)))
        torch.testing.assert_close(net.decoder(features), expected[..., 1:-1, 1:-1])


def test_upsampling_is_frozen_bilinear_unless_it_is_to_be_learned() -> None:
    for learned in (False, True):
        net = on_meta("fcn8s", "test_resnet", learn_upsampling=learned)
        ups = [m for m in net.modules() if isinstance(m, BilinearDeconvolution)]
        assert [up.kernel_size[0] for up in ups] == [4, 4, 16]
        assert [up.weight.requires_grad for up in ups] == [learned] * 3


def test_dense_deconvolutions_begin_as_the_grouped_ones() -> None:
    nets = [create_model("fcn8s", "test_resnet", classes=3, dense=dense).eval() for dense in (False, True)]
    warm_start(nets[1], nets[0])
    for net in nets:
        for score in net.decoder.scores:
            torch.nn.init.constant_(score.weight, 0.1)
    image = torch.randn(1, 3, 50, 40)
    torch.testing.assert_close(nets[0](image), nets[1](image))


def test_at_once_scales_the_skips() -> None:
    plain, scaled = (create_model("fcn8s", "test_resnet", classes=3, form=form).eval() for form in ("paper", "at_once"))
    with torch.no_grad():
        for score in plain.decoder.scores:
            torch.nn.init.normal_(score.weight)
        warm_start(scaled, plain)
        for score, factor in zip(plain.decoder.scores, (1, 0.01, 0.0001), strict=True):
            score.weight *= factor
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(scaled(image), plain(image))


def carrier(name: str, monkeypatch: pytest.MonkeyPatch) -> SegmentationNetwork:
    """FCN on a thin VGG16 whose convolutions hand on what is in their middle: what is bright stays where it is."""
    spec = replace(on_meta(name, in_channels=1).backbone.spec, channels=(1, 1, 1))
    monkeypatch.setattr(vgg, "WIDTHS", (1,) * 5)
    body = vgg.VGG16FCN(1, width=1)
    for convolution in body.modules():
        if isinstance(convolution, torch.nn.Conv2d):
            torch.nn.init.zeros_(convolution.weight)
            middle = convolution.kernel_size[0] // 2
            with torch.no_grad():
                convolution.weight[0, 0, middle, middle] = 1
    backbone = Backbone(body, spec, "scratch")
    net = getattr(fcn, name)(backbone, 1, fcn.FORMS["paper"], False).eval()
    torch.nn.init.ones_(net.decoder.scores[-1].weight)
    return net


def centre(logits: Tensor) -> Tensor:
    """Of mass, in pixels."""
    mass = logits[0, 0] / logits.sum()
    rows, columns = (torch.arange(n, dtype=mass.dtype) for n in mass.shape)
    return torch.stack([(mass.sum(1) * rows).sum(), (mass.sum(0) * columns).sum()])


@pytest.mark.parametrize(("name", "stride"), [("fcn32s", 32), ("fcn16s", 16), ("fcn8s", 8)])
def test_a_shifted_dot_lands_where_it_should(name: str, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, found = carrier(name, monkeypatch), []
    for row, column in ((60, 70), (60 + stride, 70 - stride)):
        image = torch.zeros(1, 1, 160, 160)
        image[0, 0, row, column] = 1
        with torch.no_grad():
            landed = centre(net(image))
        assert (landed - torch.tensor([row, column])).abs().max() <= stride / 2 - 0.5, "within the cell of the map"
        found.append(landed)
    torch.testing.assert_close(found[1] - found[0], torch.tensor([stride, -stride], dtype=torch.float32))
