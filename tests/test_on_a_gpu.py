"""What a GPU answers is what the CPU answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import run_tiny

import intarsia
from intarsia.models import CATALOG, create_model

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _all_bits_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("name", CATALOG)
def test_every_system(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, classes=5, **CATALOG[name].tiny).eval()
    x = torch.randn(2, 3, 65, 97)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():  # zero-initialised: all would be equal
                parameter.add_(torch.randn(parameter.shape) * 0.1)
        there, here = net.cuda()(x.cuda()).cpu(), net.cpu()(x)
    assert (there - here).abs().max() < 1e-4 * here.abs().max()


@pytest.mark.parametrize("refiner", [None, "crf"])
def test_a_run_trained_there_answers_alike_on_both(discs: Path, tmp_path: Path, refiner: str | None) -> None:
    run = run_tiny(discs, tmp_path / "run", epochs=20, learning_rate=0.01, workers=0, refiner=refiner)
    assert run.network().device == "cuda"
    assert intarsia.evaluate(run.folder, discs).mean_iou > 0.7
    image = discs / "images" / "disc_0.png"
    there, here = (intarsia.load(run.folder, device).predict(image) for device in ("cuda", "cpu"))
    assert (there.mask == here.mask).mean() > 0.995
    np.testing.assert_allclose(there.probabilities, here.probabilities, atol=0.01)
