"""DRN as a segmenter, and what its logits are when an image does not divide by 8."""

import math

import pytest
import torch
import torch.nn.functional as F

from intarsia.models import create_model
from intarsia.models.framing import Cropped

COUNTS = [
    # backbone, parameters with 19 classes: fyu/drn's DRNSeg; 4,864 of them are the fixed deconvolution
    ("drn_c_26", 20_628_195),
    ("drn_d_22", 16_393_752 - 513_000 + 19 * 513 + 4_864),
]


@pytest.mark.parametrize(("backbone", "parameters"), COUNTS)
def test_parameter_counts(backbone: str, parameters: int) -> None:
    with torch.device("meta"):
        net = create_model("drn", backbone, classes=19)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert [p.numel() for p in net.parameters() if not p.requires_grad] == [4_864]


def test_drn_c_and_d_have_no_max_pooling() -> None:
    for backbone in ("drn_c_26", "drn_d_22"):
        with torch.device("meta"):
            net = create_model("drn", backbone)
        assert not [m for m in net.modules() if isinstance(m, torch.nn.MaxPool2d)]


def test_upsampling_may_be_learned() -> None:
    with torch.device("meta"):
        assert all(p.requires_grad for p in create_model("drn", learn_upsampling=True).parameters())


def test_logits_beyond_the_image_are_cut_off() -> None:
    net = create_model("drn", "test_resnet", classes=3).eval()
    logits = net.head(net.backbone(torch.ones(1, 3, 60, 45))[-1])
    assert logits.shape[-2:] == (64, 48)
    torch.testing.assert_close(net(torch.ones(1, 3, 60, 45)), logits[..., :60, :45])


def test_inside_the_deconvolution_is_interpolation() -> None:
    net = create_model("drn", "test_resnet", classes=3).eval()
    scores = net.head[0](net.backbone(torch.randn(1, 3, 64, 64))[-1])
    interpolated = F.interpolate(scores, scale_factor=8, mode="bilinear")
    torch.testing.assert_close(net.head[1](scores)[..., 8:-8, 8:-8], interpolated[..., 8:-8, 8:-8])


def test_rows_that_a_backbone_dropped_repeat_the_last() -> None:
    logits = torch.randn(1, 2, 8, 16)
    fitted = Cropped(2).fit(logits, (11, 9), (11, 9))
    torch.testing.assert_close(fitted[..., :6, :], logits[..., 2:, 2:11])
    torch.testing.assert_close(fitted[..., 6:, :], logits[..., -1:, 2:11].expand(1, 2, 5, 9))


def test_the_first_scores_have_the_repositorys_spread() -> None:
    torch.manual_seed(0)
    scores = create_model("drn", "test_resnet", classes=50).head[0]
    assert scores.weight.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.05)
    assert not scores.bias.any()
