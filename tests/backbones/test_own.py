"""Our own backbones: counts, outputs of the original networks, and the trait that makes each what it is."""

from pathlib import Path

import pytest
import torch
from goldens import golden
from safetensors.torch import save_file
from torch import nn

from intarsia.backbones import create_backbone, list_backbones, vgg
from intarsia.backbones.classifier import create_classifier
from intarsia.backbones.own import OWN
from intarsia.errors import ArgumentError, IntarsiaWarning, UnknownNameError


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


WITH_CLASSIFIER = {  # name: (classes, parameters)
    "drn_a_18": (1000, 11_689_512),  # fyu/drn, measured, here and below
    "drn_a_34": (1000, 21_797_672),
    "drn_a_50": (1000, 25_557_032),
    "drn_a_101": (1000, 44_549_160),
    "drn_b_26": (1000, 21_126_584),  # C-26's: a sum has no parameters
    "drn_c_26": (1000, 21_126_584),
    "drn_c_42": (1000, 31_234_744),
    "drn_c_58": (1000, 41_591_608),
    "drn_d_22": (1000, 16_393_752),
    "drn_d_24": (1000, 21_114_392),
    "drn_d_38": (1000, 26_501_912),
    "drn_d_40": (1000, 31_222_552),
    "drn_d_54": (1000, 35_809_176),
    "drn_d_56": (1000, 40_529_816),
    "drn_d_105": (1000, 54_801_304),
    "drn_d_107": (1000, 59_521_944),
    "detnet59": (1000, 18_372_648),  # a separate build of both readings of the paper
    "detnet59_256": (1000, 9_600_552),
    "vgg16_fcn": (21, 134_346_581),  # wkentaro's FCN32s without its deconvolution
    "vgg16_largefov": (21, 20_505_429),  # DeepLab v1, table 2: 20.5M
    "xception39": (19, 299_448 + 19 * 257),  # TorchSeg's backbone
    "resnet101_caffe": (1000, 44_549_160),  # ResNet-101: moved strides have no parameters
}


@pytest.mark.parametrize(("name", "classes", "count"), [(n, *entry) for n, entry in WITH_CLASSIFIER.items()])
def test_parameter_counts(name: str, classes: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(create_classifier(name, classes)) == count


def test_deep_stems_have_semsegs_parameters() -> None:
    theirs = [tuple(s) for n, s in golden("pspnet50_semseg").names.items() if n.startswith("layer")]
    with torch.device("meta"):
        ours = [tuple(t.shape) for t in create_backbone("resnet50_deep_stem").body.state_dict().values()]
        deeper = create_backbone("resnet101_deep_stem").body
    assert ours == theirs
    assert parameters(deeper) == 42_500_160 + 123_776  # ResNet-101, and what the stem of the 50 has more


GOLDENS = [
    ("drn_a_50", "drn_a_50", 4),
    ("drn_c_26", "drn_c_26", 8),
    ("drn_c_42", "drn_c_42", 8),
    ("drn_d_22", "drn_d_22", 8),
    ("drn_d_38", "drn_d_38", 8),
    ("xception39", "xception39_torchseg", 3),
]


@pytest.mark.parametrize(("name", "original", "levels"), GOLDENS)
def test_every_map_is_the_originals(name: str, original: str, levels: int) -> None:
    theirs = golden(original)
    net = create_classifier(name, classes=1000).double().eval()
    state = theirs.state_dict()
    if name != "xception39":  # whose classifier is in no golden
        assert list(net.published_state()) == list(state)
        net.network.fc.load_state_dict({"weight": state.pop("fc.weight"), "bias": state.pop("fc.bias")})
    net.network.body.load_state_dict(state)
    with torch.no_grad():
        maps = net.network.body(theirs.image("layer1"))[-levels:]
        for level, map_ in enumerate(maps, start=1):
            theirs.check(f"layer{level}", map_)
        if name != "xception39":
            theirs.check("main_global_pool" if name == "drn_a_50" else "main", net(theirs.image("layer1")))


def test_caffes_resnet_is_kazutos() -> None:
    """Its DeepLab v1 is this network, dilated uniformly, and one 1×1 convolution; the names differ, not their order."""
    theirs = golden("deeplabv1_resnet101")
    state = theirs.state_dict()
    weight, bias = (
        state.pop(next(n for n in theirs.names if n.startswith("fc.") and n.endswith(e))) for e in ("weight", "bias")
    )
    body = create_backbone("resnet101_caffe", output_stride=8, dilation="uniform").body.double().eval()
    body.load_state_dict(dict(zip(body.state_dict(), state.values(), strict=True)))
    with torch.no_grad():
        theirs.check("main", nn.functional.conv2d(body(theirs.image())[-1], weight, bias))


@pytest.mark.parametrize("kind", ["b_26", "c_26", "d_22"])
def test_drn_b_c_d_have_no_max_pooling(kind: str) -> None:
    with torch.device("meta"):
        assert not any(isinstance(m, nn.MaxPool2d) for m in create_backbone(f"drn_{kind}").modules())
        assert any(isinstance(m, nn.MaxPool2d) for m in create_backbone("drn_a_18").modules())


def test_drn_b_sums_where_c_does_not() -> None:
    b, c = (create_backbone(f"drn_{kind}_26").body.eval() for kind in "bc")
    c.load_state_dict(b.state_dict())
    image = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        ours, theirs = b(image), c(image)
        torch.testing.assert_close(ours[:6], theirs[:6])
        block = b.layer7[0]
        plain = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(ours[5])))))
        torch.testing.assert_close(theirs[6], torch.relu(plain))
        torch.testing.assert_close(ours[6], torch.relu(plain + ours[5]))


def test_drn_keeps_its_stride() -> None:
    with torch.device("meta"):
        for asked in (8, 16, 32):
            assert create_backbone("drn_d_22", output_stride=asked).spec.output_stride == 8


def test_detnet_stays_at_16_and_becomes_denser_if_asked() -> None:
    with torch.device("meta"):
        assert create_backbone("detnet59").spec.strides == (2, 4, 8, 16, 16, 16)
        dense = create_backbone("detnet59", output_stride=8)
        assert dense.spec.strides == (2, 4, 8, 8, 8, 8)
    assert [dense.body.get_submodule(f"layer{level}.0.conv2").dilation[0] for level in (3, 4, 5)] == [1, 4, 4]


@pytest.mark.parametrize(("image", "map_"), [((321, 257), (41, 33)), ((513, 320), (65, 41))])
@pytest.mark.parametrize("name", ["vgg16_largefov", "resnet101_caffe"])
def test_poolings_round_up(name: str, image: tuple[int, int], map_: tuple[int, int]) -> None:
    """DeepLab's sizes: 321 pixels give 41 positions at stride 8, 513 give 65."""
    with torch.device("meta"):
        maps = create_backbone(name, output_stride=8).eval()(torch.empty(1, 3, *image))
    assert tuple(maps[-1].shape[-2:]) == map_


@pytest.mark.parametrize("index", [0, 1, 2])
def test_fcns_maps_lie_where_they_say(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of one sample by the image is a window, and its middle is the sample's place."""
    with torch.device("meta"):
        spec = create_backbone("vgg16_fcn").spec
    monkeypatch.setattr(vgg, "WIDTHS", (1,) * 5)
    net = vgg.VGG16FCN(1, width=1).double().eval()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1 / 9)
    for level in range(1, 6):  # the mean instead of the maximum, so that every pixel has its part
        setattr(net, f"pool{level}", nn.AvgPool2d(2, 2, ceil_mode=True))
    image = torch.zeros(1, 1, 610, 450, dtype=torch.float64, requires_grad=True)
    map_ = net(image)[index]
    row, column = map_.shape[-2] // 2, map_.shape[-1] // 2
    (gradient,) = torch.autograd.grad(map_[0, 0, row, column], image)
    for across, position in ((3, row), (2, column)):
        touched = gradient.sum(across).flatten().nonzero()
        middle = float(touched.min() + touched.max()) / 2
        assert middle == spec.origins[index] + position * spec.strides[index]


def test_other_maps_tile_the_image() -> None:
    with torch.device("meta"):
        spec = create_backbone("resnet18", output_stride=8).spec
    assert spec.origins == (0.5, 1.5, 3.5, 3.5, 3.5)


class TestWeights:
    """Files in the network's own names; nothing on the hub."""

    def test_a_file_of_ones_own(self, tmp_path: Path) -> None:
        net = create_classifier("xception39", classes=7)
        save_file(net.published_state(), tmp_path / "w.safetensors")
        backbone = create_backbone("xception39", weights=tmp_path / "w.safetensors")
        assert all(torch.equal(backbone.body.state_dict()[n], t) for n, t in net.network.body.state_dict().items())
        single = create_backbone("xception39", in_channels=1, weights=tmp_path / "w.safetensors")
        stem = "conv1.conv.weight"
        torch.testing.assert_close(
            single.body.state_dict()[stem], net.network.body.state_dict()[stem].sum(1, keepdim=True)
        )

    def test_what_does_not_fit_is_named(self, tmp_path: Path) -> None:
        state = create_backbone("xception39").body.state_dict()
        save_file({**state, "layer1.0.proj.conv1.weight": torch.zeros(3, 1, 3, 3)}, tmp_path / "w.safetensors")
        with pytest.raises(ArgumentError, match=r"`layer1.0.proj.conv1.weight` is \(3, 1, 3, 3\) and should be \(8, 1"):
            create_backbone("xception39", weights=tmp_path / "w.safetensors")
        save_file({"a": torch.zeros(1)}, tmp_path / "v.safetensors")
        with pytest.raises(ArgumentError, match=r"backbone `xception39`: 311 tensors are missing, the first is `conv1"):
            create_backbone("xception39", weights=tmp_path / "v.safetensors")

    def test_the_hub_has_none(self) -> None:
        with pytest.raises(ArgumentError, match="There are no weights for `drn_c_26` on timm's hub"):
            create_backbone("drn_c_26", pretrained=True)
        with pytest.warns(IntarsiaWarning, match="No pretrained weights for `xception39`: the hub has none"):
            assert create_backbone("xception39", pretrained="auto").weights_source == "scratch"


def test_a_classifier_of_timms() -> None:
    net = create_classifier("test_resnet", classes=3, in_channels=4)
    assert net(torch.randn(2, 4, 64, 64)).shape == (2, 3)
    assert "fc.weight" in net.published_state()


def test_refused_classifiers() -> None:
    with pytest.raises(ArgumentError, match=r"`classes` .=1. must be at least 2"):
        create_classifier("xception39", 1)
    with pytest.raises(UnknownNameError, match="no backbone `xception38`; did you mean xception39"):
        create_classifier("xception38", 2)


def test_own_backbones_are_listed_once() -> None:
    assert {name for name in OWN if not name.startswith("test_")} < set(list_backbones())
    assert len(set(list_backbones())) == len(list_backbones())
