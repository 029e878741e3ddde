"""The à-trous law for every backbone, in float64, and that the measurement would notice a breach."""

import copy

import pytest
import timm
import torch

from intarsia.backbones import create_backbone, list_backbones
from intarsia.backbones.dilate import dilate
from intarsia.backbones.law import _trace, law_deviations

IMAGE = torch.randn(1, 3, 128, 96, generator=torch.Generator().manual_seed(0))
GATED = "mobilenetv3_large_100"


@pytest.mark.parametrize("name", list_backbones())
def test_denser_maps_sampled_are_the_strided_ones(name: str) -> None:
    torch.manual_seed(0)
    strided = create_backbone(name).body
    for output_stride in (8, 16):
        dense = dilate(copy.deepcopy(strided), output_stride)
        deviations = law_deviations(strided, dense, IMAGE)
        assert max(deviations.values()) <= 1e-9
        assert dense(IMAGE)[-1].shape[-2:] == (128 // output_stride, 96 // output_stride)


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
