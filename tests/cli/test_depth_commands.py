"""Evaluate and predict on runs that complete depths: what is printed and written, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from depth_runs import write_depth_run, write_scenes

from intarsia.cli.main import main
from intarsia.data.depth import read_depth

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_run(tmp_path_factory.mktemp("depth") / "run", "40").folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("depth") / "set", sparse=True)


def complaint(capsys: Capture, *arguments: str | Path) -> str:
    """The one sentence that a wrong command line gets."""
    assert main([str(argument) for argument in arguments]) == 1
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if line.startswith("intarsia: ")]
    assert not printed.out
    return line


def test_the_network_stands_beside_the_fills(run: Path, scenes: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(run), str(scenes)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["network", "nearest", "linear", "bilateral"]
    assert "Measured: 40 pixels anywhere, drawn with seed 0. Measured pixels count, too" in said
    assert "Means over all valid pixels of the whole set together" in said
    page, how = str(tmp_path / "page.html"), ["--measuring", "grid:8", "--seed", "3"]
    assert main(["evaluate", str(run), str(scenes), "--json", "--report", page, *how]) == 0
    assert "every 8th row and column" in (tmp_path / "page.html").read_text()
    scores = json.loads(capsys.readouterr().out)
    assert scores["rmse"] > scores["fills"]["linear"]["rmse"]
    assert (scores["measuring"], scores["seed"], scores["images"]) == ("grid:8", 3, 2)
    assert "every 8th row and column, where the grid begins drawn with seed 3" in scores["protocol"]


def test_the_sensors_measurements_are_taken_where_training_had_them(
    scenes: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = write_depth_run(tmp_path / "run", None).folder
    assert main(["evaluate", str(run), str(scenes), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["measuring"] is None
    assert "Measured: by the set's own sensor." in scores["protocol"]


def test_a_set_is_predicted(run: Path, scenes: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(run), str(scenes), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert f"2 of 2 depth maps are in `{out}`, 0.001 m a value; `{out}/coloured` shows them" in printed.out
    assert "Measured: 40 pixels anywhere" in printed.out
    assert "No camera is stated, so that points are placed for a view of 53°" in printed.err
    assert re.search(r'State it in depth.json beside .*, in pixels, such as \{"camera": \{"fx": 500,', printed.err)
    assert (out / "points" / "plane_0.ply").is_file()
    assert "is not empty" in complaint(capsys, "predict", run, scenes, "--out", out)
    again = ["--out", str(out), "--overwrite", "--split", "val"]
    for measuring, said in (("own", "by the set's own sensor."), ("grid:2", "every 2nd row and column, where the gri")):
        assert main(["predict", str(run), str(scenes), *again, "--measuring", measuring, "--seed", "3"]) == 0
        assert f"Measured: {said}" in capsys.readouterr().out


def test_images_are_predicted_from_measurements_beside_them(
    run: Path, scenes: Path, tmp_path: Path, capsys: Capture
) -> None:
    images, sparse, out = scenes / "val" / "images", tmp_path / "sparse", tmp_path / "out"
    sparse.mkdir()
    for name in ("plane_0", "plane_1"):
        np.save(sparse / f"{name}.npy", read_depth(scenes / "val" / "sparse" / f"{name}.png", 0.001))
    assert main(["predict", str(run), str(images), "--sparse", str(sparse), "--out", str(out)]) == 0
    assert "Measured: by the set's own sensor" in capsys.readouterr().out
    np.save(sparse / "plane_0.npy", np.zeros((36, 44), np.float32))
    assert main(["predict", str(run), str(images), "--sparse", str(sparse), "--out", str(tmp_path / "other")]) == 1
    printed = capsys.readouterr()
    assert "plane_0.npy` holds no depth at all, only 0, NaN or ∞" in printed.err
    assert "1 of 2 depth maps are in" in printed.out


REFUSED = [
    ("evaluate {run} {scenes} --tta", "`--tta` is for runs that segment, and `{run}` completes depths: leave it out."),
    ("evaluate {run} {scenes} --boundary 1,2", "`--boundary` is for runs that segment"),
    ("evaluate {run} {scenes} --no-refine", "`--no-refine` is for runs that segment"),
    ("evaluate {run} {scenes} --measuring twelve", "`twelve` is no way to measure"),
    ("evaluate {run} {scenes} --seed -1", "`seed` (=-1) must be at least 0"),
    ("evaluate {run} {scenes} --split test", "has no split `test`"),
    ("evaluate {run} sample:materials", "`sample:materials` holds masks and no depths: use sample:motorcycle"),
    (
        "evaluate {discs} {photos} --measuring 500",
        "`--measuring` is for runs that complete depths, and `{discs}` segments: leave",
    ),
    ("evaluate {discs} {photos} --seed 1", "`--seed` is for runs that complete depths"),
    ("predict {discs} {photos} --sparse {scenes}", "`--sparse` is for runs that complete depths"),
    ("predict {discs} {photos} --measuring own", "`--measuring` is for runs that complete depths"),
    ("predict {discs} {photos} --seed 1", "`--seed` is for runs that complete depths"),
    ("predict {discs} {scenes}", "`{scenes}` is a set of images with depths, and `{discs}` segments: name the folder"),
    ("predict {discs} sample:motorcycle", "`sample:motorcycle` is a set of images with depths"),
    ("predict {run} {scenes} --seed -1", "`seed` (=-1) must be at least 0"),
    ("predict {run} {scenes} --measuring twelve", "`twelve` is no way to measure"),
    ("predict {run} {scenes} --sparse {scenes} --measuring 40", "`--measuring` (=count:40) is for sets with depths"),
    ("predict {discs} {photos} --split val", "`--split` is for runs that complete depths"),
    ("predict {run} {scenes} --overlay", "`--overlay` is for runs that segment"),
    ("predict {run} {scenes} --probabilities", "`--probabilities` is for runs that segment"),
    ("predict {run} {scenes} --tta-scales 1,2", "`--tta-scales` is for runs that segment"),
    ("predict {run} {scenes}/val/images", "is no set of images with depths, and a few depths must be known"),
    ("predict {run} {scenes} sample:motorcycle", "are two sets: predict one at a time"),
    ("predict {run} {scenes} --sparse {scenes} --split val", "`--split` (=val) is for sets with depths"),
    ("predict {run} sample:bicycle", "There is no built-in scene `bicycle`"),
]


@pytest.mark.parametrize(("command", "sentence"), REFUSED)
def test_refusals(
    command: str, sentence: str, run: Path, scenes: Path, disc_run: Path, discs: Path, tmp_path: Path, capsys: Capture
) -> None:
    places = {"run": run, "scenes": scenes, "discs": disc_run, "photos": discs}
    out = ["--out", tmp_path / "out"] if command.startswith("predict") else []
    assert sentence.format(**places) in complaint(capsys, *command.format(**places).split(), *out)
    assert not (tmp_path / "out").exists()
