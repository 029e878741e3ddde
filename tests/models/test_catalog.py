"""Names, forms, options, and parameter counts against other implementations."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.models import create_model

COUNTS = [
    # name, backbone, arguments, parameters, where the number comes from (21 classes)
    ("unet", "resnet18", {"form": "smp"}, 14_331_109, "smp 0.6.0 Unet"),
    ("unet", "resnet34", {"form": "smp"}, 24_439_269, "smp 0.6.0 Unet"),
    ("unet", "resnet50", {"form": "smp"}, 32_524_005, "smp 0.6.0 Unet"),
    ("unet", "resnet34", {}, 24_439_269 - 16 * 21 * 8, "the same with the paper's 1×1 convolution at the end"),
    (
        "deeplabv3plus",
        "resnet34",
        {"depthwise_norm": False},
        22_442_597,
        "smp 0.6.0 DeepLabV3Plus: other places, as many parameters",
    ),
    ("deeplabv3plus", "resnet50", {"depthwise_norm": False}, 26_682_725, "smp 0.6.0 DeepLabV3Plus"),
    ("deeplabv3plus", "resnet101", {"depthwise_norm": False}, 45_674_853, "smp 0.6.0 DeepLabV3Plus"),
    (
        "deeplabv3plus",
        "xception65",
        {"depthwise_norm": False},
        41_042_005,
        "smp 0.6.0 DeepLabV3Plus on timm's xception65",
    ),
    (
        "deeplabv3plus",
        "resnet50",
        {},
        26_682_725 + 2 * (3 * 2048 + 304 + 256),
        "smp's and a batch norm behind each depthwise convolution: three in ASPP, two in the decoder",
    ),
    (
        "pspnet",
        "resnet50",
        {"auxiliary": True},
        23_508_032 + 23_084_565 + 2_365_205,
        "torchvision's ResNet-50 + semseg's pyramid and classifier + semseg's auxiliary head",
    ),
]


@pytest.mark.parametrize(("name", "backbone", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(name: str, backbone: str, arguments: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model(name, backbone, classes=21, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


def test_unet_computes_what_smps_unet_computes() -> None:
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=4).eval()
    ours = create_model("unet", "resnet18", classes=4, form="smp").eval()
    tensors = [t for name, t in theirs.state_dict().items() if not name.startswith("encoder.fc")]
    assert [t.shape for t in tensors] == [t.shape for t in ours.state_dict().values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    image = torch.randn(1, 3, 96, 64)
    torch.testing.assert_close(ours(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_rates_follow_the_output_stride() -> None:
    with torch.device("meta"):
        nets = {stride: create_model("deeplabv3plus", "resnet18", output_stride=stride) for stride in (8, 16, 32)}
    rates = {s: [branch[0].dilation[0] for branch in net.decoder.aspp.branches[1:]] for s, net in nets.items()}
    assert rates == {8: [12, 24, 36], 16: [6, 12, 18], 32: [3, 6, 9]}


def test_unet_starts_from_the_next_map_where_one_is_missing() -> None:
    with torch.device("meta"):
        decoder = create_model("unet", "convnext_tiny").decoder
    assert decoder.skips == [2, 1, 0, None, None]
    assert [up.scale_factor for up in decoder.upsamplings] == [2, 2, 2, 2, 2]


REFUSED = [
    ({"name": "deeplabv3+"}, UnknownNameError, "There is no model `deeplabv3.`; did you mean deeplabv3plus"),
    ({"name": "unet", "form": "tensorflow"}, UnknownNameError, "There is no form of unet `tensorflow`"),
    ({"name": "unet", "classes": 0}, ArgumentError, "`classes` .=0. must be at least 1"),
    ({"name": "unet", "rates": (1, 2)}, ArgumentError, "`rates` is no option of unet; it has widths, skip, upsampling"),
    ({"name": "unet", "widths": (8, 8)}, ArgumentError, "`widths` .* must have 5 entries"),
    ({"name": "unet", "widths": (8, 8, 8, 8, 0)}, ArgumentError, r"`widths\.4` \(=0\): input should be greater than 0"),
    ({"name": "deeplabv3plus", "rates": 6}, ArgumentError, r"Option of deeplabv3plus: `rates` \(=6\): input should be"),
    ({"name": "deeplabv3plus", "dropout": 2}, ArgumentError, "`dropout` .=2.: input should be less than 1"),
    (
        {"name": "pspnet", "align_corners": "maybe"},
        ArgumentError,
        "`align_corners` .='maybe'.: input should be a valid",
    ),
    ({"name": "pspnet", "dilation": "none"}, ArgumentError, "input should be 'exact' or 'uniform'"),
    ({"name": "pspnet", "output_stride": 12}, ArgumentError, "must be 8, 16 or 32"),
    ({"name": "pspnet", "output_stride": 0}, ArgumentError, "must be 8, 16 or 32"),
]


@pytest.mark.parametrize(("arguments", "error", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        create_model(**{"backbone": "test_resnet", **arguments})


def test_unet_pads_with_zeros_and_crops() -> None:
    net = create_model("unet", "test_resnet", classes=3, widths=(8, 8, 8, 8, 8)).eval()
    image = torch.randn(1, 3, 50, 70)
    padded = torch.nn.functional.pad(image, (0, 96 - 70, 0, 64 - 50))
    torch.testing.assert_close(net(image), net(padded)[..., :50, :70])


@pytest.mark.parametrize("align", [True, False])
def test_deeplab_is_its_parts_put_together(align: bool) -> None:
    net = create_model("deeplabv3plus", "test_resnet", classes=3, align_corners=align, aspp_channels=16).eval()
    image = torch.randn(1, 3, 97, 65)
    refined: list[torch.Tensor] = []
    net.decoder.refine.register_forward_pre_hook(lambda _, arguments: refined.append(arguments[0]))

    def resized(x: torch.Tensor, size: Any) -> torch.Tensor:
        return torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=align)

    maps = net.backbone(image)
    low = net.decoder.narrow(maps[1])
    joined = torch.cat([resized(net.decoder.aspp(maps[-1]), low.shape[-2:]), low], 1)
    logits = net(image)
    torch.testing.assert_close(logits, resized(net.head(net.decoder.refine(joined)), (97, 65)))
    torch.testing.assert_close(refined[0], joined, rtol=1e-4, atol=0)
    assert maps[1].shape[-2:] == (25, 17)


def test_pspnet_is_its_parts_put_together() -> None:
    net = create_model("pspnet", "test_resnet", classes=3, channels=16).eval()
    image = torch.randn(1, 3, 97, 65)
    pooled = net.decoder.pooling(net.backbone(image)[-1])
    logits = net.head(net.decoder.fuse(pooled))
    expected = torch.nn.functional.interpolate(logits, (97, 65), mode="bilinear", align_corners=True)
    torch.testing.assert_close(net(image), expected)


@pytest.mark.parametrize("name", ["deeplabv3plus", "pspnet"])
def test_dropout_is_the_papers(name: str) -> None:
    net = create_model(name, "test_resnet", classes=3)
    rates = [m.p for m in net.decoder.modules() if isinstance(m, (torch.nn.Dropout, torch.nn.Dropout2d))]
    assert rates == [0.1]
    features = net.train().backbone(torch.randn(2, 3, 64, 64))
    kept = [net.decoder.eval()(features), net.decoder.eval()(features)]
    torch.testing.assert_close(*kept)
    assert not torch.equal(net.decoder.train()(features), net.decoder.train()(features))
