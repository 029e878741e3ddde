"""DeepLab v3+: counts, how its parts are put together, refusals."""

from typing import Any

import pytest
import torch
from torch import nn

from intarsia.backbones import create_backbone
from intarsia.errors import ArgumentError
from intarsia.models import create_model

COUNTS = [
    # backbone, arguments, parameters, where the number comes from (21 classes)
    ("resnet34", {"form": "smp"}, 22_442_597, "smp 0.6.0 DeepLabV3Plus"),
    ("resnet50", {"form": "smp"}, 26_682_725, "smp 0.6.0 DeepLabV3Plus"),
    ("resnet101", {"form": "smp"}, 45_674_853, "smp 0.6.0 DeepLabV3Plus"),
    ("xception65", {"form": "smp"}, 41_042_005, "smp 0.6.0 DeepLabV3Plus on timm's xception65"),
    ("xception71", {"form": "smp"}, 43_464_429, "smp 0.6.0 DeepLabV3Plus on timm's xception71"),
    (
        "resnet50",
        {},
        26_682_725 + 2 * (3 * 2048 + 304 + 256),
        "smp's: its 3×3 behind the pyramid is our second one behind the joined maps; and a batch norm behind each "
        "depthwise convolution: three in ASPP, two in the decoder",
    ),
    ("resnet50", {"separable": False, "refinements": 1}, 39_761_845, "VainF/DeepLabV3Plus-Pytorch"),
]


@pytest.mark.parametrize(("backbone", "arguments", "parameters", "source"), COUNTS)
def test_parameter_counts(backbone: str, arguments: dict[str, Any], parameters: int, source: str) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3plus", backbone, classes=21, **arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters, source


@pytest.mark.parametrize("align", [True, False])
def test_the_network_is_its_parts_put_together(align: bool) -> None:
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


@pytest.mark.parametrize(("output_stride", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_rates_follow_the_output_stride(output_stride: int, rates: list[int]) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3plus", "resnet18", output_stride=output_stride)
    assert [branch[0].dilation[0] for branch in net.decoder.aspp.branches[1:]] == rates


@pytest.mark.parametrize(("options", "eps"), [({}, 1e-5), ({"norm_eps": 1e-3}, 1e-3)])
def test_the_decoders_batch_norms_have_their_own_eps(options: dict[str, float], eps: float) -> None:
    with torch.device("meta"):
        net = create_model("deeplabv3plus", "test_resnet", **options)
    found = [{m.eps for m in part.modules() if isinstance(m, nn.BatchNorm2d)} for part in (net.backbone, net.decoder)]
    assert found == [{1e-5}, {eps}]


def test_aligned_xception_brings_the_eps_of_its_authors() -> None:
    with torch.device("meta"):
        backbone = create_backbone("xception65")
    assert {m.eps for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


REFUSED = [
    ({"rates": (5,), "output_stride": 32}, r"`rates` \(=\(5,\)\) are those at output stride 16 and must be even"),
    ({"norm_eps": 0}, r"`norm_eps` \(=0\): input should be greater than 0"),
    ({"refinements": 0}, r"`refinements` \(=0\): input should be greater than 0"),
    (
        {"backbone": "xception39"},
        "`xception39` has no feature map at stride 4, only at 2, 8, 16, 32; choose a backbone",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        create_model("deeplabv3plus", **{"backbone": "test_resnet", **arguments})


@pytest.mark.parametrize("name", ["deeplabv3", "deeplabv3plus", "pspnet"])
def test_dropout_is_the_authors(name: str) -> None:
    net = create_model(name, "test_resnet", classes=3, multi_grid=())
    rates = [m.p for m in net.decoder.modules() if isinstance(m, (nn.Dropout, nn.Dropout2d))]
    assert rates == [0.1]
    features = net.train().backbone(torch.randn(2, 3, 64, 64))
    kept = [net.decoder.eval()(features), net.decoder.eval()(features)]
    torch.testing.assert_close(*kept)
    assert not torch.equal(net.decoder.train()(features), net.decoder.train()(features))
