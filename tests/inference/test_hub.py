"""Networks that others published, with a local file in the place of the download."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import segmentation

import intarsia
from intarsia.cli.main import main
from intarsia.errors import ArgumentError

NAME = "fcn_resnet50"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """torchvision's own network, its random weights lying where the download would put them."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    torch.manual_seed(0)
    theirs = segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True).eval()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    url = segmentation.FCN_ResNet50_Weights.DEFAULT.url
    torch.save(theirs.state_dict(), tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2])
    return theirs


def test_it_predicts_as_torchvision_does(cached: torch.nn.Module, tmp_path: Path) -> None:
    segmenter = intarsia.load(f"torchvision:{NAME}", device="cpu")
    picture = np.random.default_rng(0).integers(0, 256, (65, 97, 3), np.uint8)
    preset = segmentation.FCN_ResNet50_Weights.DEFAULT.transforms(resize_size=65)
    with torch.inference_mode():
        expected = cached(preset(Image.fromarray(picture))[None])["out"][0]
    result = segmenter.predict(picture)
    assert result.logits is not None
    torch.testing.assert_close(torch.from_numpy(result.logits), expected, rtol=1e-4, atol=1e-4)
    assert segmenter.classes.names[15] == "person"
    assert segmenter.classes.colours[15] == (192, 128, 128)
    assert "BSD-3-Clause" in segmenter.terms


def test_the_command_line_takes_it(cached: torch.nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 30), (90, 40, 200)).save(tmp_path / "photo.png")
    assert main(["predict", f"torchvision:{NAME}", str(tmp_path / "photo.png"), "--out", str(tmp_path / "out")]) == 0
    assert "BSD-3-Clause" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "photo.png") as mask:
        assert mask.size == (40, 30)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match=r"`torchvision:deeplab` is no network .* take one of deeplabv3_res"):
        intarsia.load("torchvision:deeplab")
    with pytest.raises(ArgumentError, match=r"`torchvision:lraspp_mobilenet_v3_large` is no network .* known here"):
        intarsia.load("torchvision:lraspp_mobilenet_v3_large")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(
        ArgumentError, match=r"weights of `torchvision:fcn_resnet50` cannot be had .no route to host.*by hand"
    ):
        intarsia.load("torchvision:fcn_resnet50")
