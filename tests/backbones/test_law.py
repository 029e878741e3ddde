"""The à-trous law for every backbone, in float64, and that the measurement would notice a breach."""

import copy

import pytest
import timm
import torch

from intarsia.backbones import create_backbone, list_backbones, vgg
from intarsia.backbones.dilate import dilate
from intarsia.backbones.law import _trace, law_deviations

IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
GATED = "mobilenetv3_large_100"


SKIPPED = (
    "drn_",
    "vgg16_largefov",
    "detnet59",
    "resnet101_deep_stem",
    "vgg16_fcn",
    "unet_",
    "test_",
)  # stride 8; like another; below
TESTED = [name for name in list_backbones() if not name.startswith(SKIPPED) or name == "detnet59_256"]


@pytest.mark.parametrize("name", TESTED)
def test_denser_maps_sampled_are_the_strided_ones(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name)
    strided, own_stride = backbone.body, backbone.spec.output_stride
    for output_stride in (8, 16):
        dense = dilate(copy.deepcopy(strided), output_stride)
        deviations = law_deviations(strided, dense, IMAGE)
        assert max(deviations.values()) <= 1e-9
        height, width = dense(IMAGE)[-1].shape[-2:]
        stride = min(output_stride, own_stride)
        assert (height - 64 // stride, width - 96 // stride) in [(0, 0), (1, 1)]  # one more where poolings round up


def test_vgg16_of_fcn_obeys_the_law_for_all_its_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg, "WIDTHS", (4,) * 5)
    torch.manual_seed(0)
    strided = vgg.VGG16FCN(3, width=8).eval()
    for output_stride in (8, 16):
        dense = dilate(copy.deepcopy(strided), output_stride)
        assert max(law_deviations(strided, dense, IMAGE).values()) <= 1e-9
        assert dense(IMAGE)[-1].shape[-1] > strided(IMAGE)[-1].shape[-1]


def test_uniform_dilation_breaks_the_law() -> None:
    strided = create_backbone("resnet18").body
    assert max(law_deviations(strided, dilate(copy.deepcopy(strided), 8, "uniform"), IMAGE).values()) > 0.01


def test_the_law_does_not_hold_for_free() -> None:
    """timm's own output stride breaks it for SAME-padded networks: the measurement sees that."""
    strided = create_backbone("tf_efficientnet_lite0").body
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, output_stride=8)
    theirs.load_state_dict(strided.state_dict())
    assert max(law_deviations(strided, theirs, IMAGE).values()) > 0.01


def test_gates_must_be_held() -> None:
    strided = create_backbone(GATED).body
    dense = dilate(copy.deepcopy(strided), 8)
    free, _ = _trace(dense, IMAGE, held=None)
    reference, _ = _trace(strided, IMAGE, held=None)
    last = "output 4"
    assert (free[last][..., ::4, ::4] - reference[last]).abs().max() > 1e-6 * reference[last].abs().max()
