"""Folders of odd files go all the way: check, train, evaluate, predict."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from odd_files import ODD, write_odd_folder
from PIL import Image
from tiny import write_discs

from intarsia.cli.main import main
from intarsia.data import read_image
from intarsia.data.masks import read_mask
from intarsia.inference import load
from intarsia.runs import Run

SMALL = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 1
    --batch-size 4 --crop-size 32 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


def test_the_folder_of_odd_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run, skip, out = (str(tmp_path / name) for name in ("odd", "run", "skip.txt", "masks"))
    write_odd_folder(Path(data))
    assert main(["train", data, "--out", run, *SMALL]) == 1
    refusal = capsys.readouterr().err.splitlines()[-1]
    assert "alone.jpg` has no mask" in refusal
    assert not Path(run).exists()
    sheet = tmp_path / "sheet.png"
    assert main(["check", data, "--fix-list", skip, "--show-augmented", "2", "--sheet", str(sheet)]) == 1
    with Image.open(sheet) as picture:
        assert picture.width > 500
    assert main(["train", data, "--skip", skip, "--out", run, *SMALL]) == 0
    assert json.loads(Path(run, "network.json").read_text())["pixels"] == {"channels": 3, "limits": [0.0, 65535.0]}
    capsys.readouterr()
    assert main(["evaluate", run, data]) == 1
    assert "has no mask" in capsys.readouterr().err
    assert main(["evaluate", run, data, "--skip", skip, "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["mean_iou"] <= 1
    assert main(["predict", run, f"{data}/images", "--out", out]) == 1
    printed = capsys.readouterr()
    complaints = [line for line in printed.err.splitlines() if line.startswith("intarsia: ")]
    named = {line.split("`")[1].rpartition("/")[2] for line in complaints}
    of_images = [odd for odd in ODD if odd.image and "mask" not in odd.name]
    broken = {odd.name for odd in of_images if odd.finding in ("unreadable", "bands")}
    assert named == broken - {"nowhere.png"}  # a link to nothing is no file
    assert len(list(Path(out).rglob("*.png"))) == sum(odd.image is not None for odd in ODD) - len(broken)


def test_sixteen_bits_and_five_bands_are_trained_on_and_predicted_alike(tmp_path: Path) -> None:
    data, run = write_discs(tmp_path / "data"), tmp_path / "run"
    for path in sorted((data / "images").iterdir()):
        rgb = read_image(path).astype(np.uint16)
        tifffile.imwrite(
            path.with_suffix(".tif"),
            np.dstack([rgb, rgb[:, :, :2]]) * 12,
            photometric="minisblack",
            planarconfig="contig",
            tile=(16, 16),
        )
        path.unlink()
    page = tmp_path / "page.html"
    assert main(["train", str(data), "--out", str(run), *SMALL]) == 0
    record = Run(run).network()
    assert (record.pixels.channels, record.pixels.limits, len(record.mean)) == (5, (0, 4095), 5)
    assert main(["evaluate", str(run), str(data), "--report", str(page)]) == 0
    assert main(["predict", str(run), str(data / "images"), "--out", str(tmp_path / "masks"), "--overlay"]) == 0
    segmenter = load(run)
    for path in (data / "images").iterdir():
        written = read_mask(tmp_path / f"masks/{path.stem}.png", segmenter.classes)
        np.testing.assert_array_equal(segmenter.predict(path).mask, written)
        stored = tifffile.imread(path)
        scaled = np.rint(stored * np.float32(255 / 4095)).astype(np.uint8)
        np.testing.assert_array_equal(segmenter.predict(scaled).mask, written)
