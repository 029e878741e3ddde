"""The command line, called in this process: results on stdout, files where they are asked for."""

import json
import logging
from functools import partial
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from commands import SMALL, Capture
from PIL import Image
from tiny import TINY

from intarsia.cli.main import COMMANDS, main, notes
from intarsia.data import open_dataset, write_folder
from intarsia.runs import Recipe, make_recipe


def test_what_the_package_logs_is_said(capsys: Capture) -> None:
    with notes():
        logging.getLogger("intarsia").info("Compiling.")
    logging.getLogger("intarsia").info("Nobody listens.")
    assert capsys.readouterr().err == "intarsia: note: Compiling.\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: Capture) -> None:
    assert main([command, "--help"]) == 0
    assert f"Example: intarsia {command}" in " ".join(capsys.readouterr().out.split())


def test_the_tour_on_ones_own_folder(discs: Path, tmp_path: Path, capsys: Capture) -> None:
    run, masks = tmp_path / "run", tmp_path / "masks"
    assert main(["train", str(discs), "--out", str(run), *SMALL]) == 0
    assert "images: " in capsys.readouterr().err
    assert main(["evaluate", str(run), str(discs)]) == 0
    assert "mean_iou" in capsys.readouterr().out
    report = ["--report", str(tmp_path / "page.html"), "--boundary", "1,2.5"]
    assert main(["evaluate", str(run), str(discs), "--json", *report]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert 0 <= scores["mean_iou"] <= 1
    assert "rule" in scores
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert list(scores["boundary_f"]) == ["1", "2.5"]
    assert (
        "– at 1 px, – at 2.5 px" in (tmp_path / "page.html").read_text()
    )  # a ring of ignored pixels hides the borders
    assert main(["predict", str(run), str(discs / "images"), "--out", str(masks), "--overlay"]) == 0
    assert f"8 of 8 masks are in `{masks}`" in capsys.readouterr().out
    assert set(np.unique(np.asarray(Image.open(masks / "disc_0.png")))) <= {0, 1}


def test_a_voc_folder_likewise(discs: Path, tmp_path: Path, capsys: Capture) -> None:
    voc = tmp_path / "VOC"
    copytree(discs / "images", voc / "JPEGImages")
    copytree(discs / "masks", voc / "SegmentationClass")
    (voc / "ImageSets" / "Segmentation").mkdir(parents=True)
    names = [f"disc_{i}" for i in range(8)]
    (voc / "ImageSets" / "Segmentation" / "train.txt").write_text("\n".join(names[:6]))
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names[6:]))
    assert main(["train", str(voc), "--out", str(tmp_path / "run"), *SMALL]) == 0
    said = capsys.readouterr().err
    assert "VOC" in said
    assert "6 train, 2 val" in said
    assert main(["evaluate", str(tmp_path / "run"), str(voc)]) == 0
    assert main(["predict", str(tmp_path / "run"), str(voc / "JPEGImages"), "--out", str(tmp_path / "masks")]) == 0


def test_slices_of_a_brain_as_a_folder(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("nilearn")
    brain = tmp_path / "brain"
    write_folder(open_dataset("sample:brain"), brain)
    assert main(["train", str(brain), "--out", str(tmp_path / "run"), *SMALL]) == 0
    assert "48 train, 16 val" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), str(brain)]) == 0
    assert "grey matter" in capsys.readouterr().out


def test_the_demo_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from intarsia.cli import demo
    from intarsia.data.open import SAMPLES
    from intarsia.data.samples.materials import materials

    monkeypatch.setitem(SAMPLES, "materials", partial(materials, train=8, val=7, size=64))
    monkeypatch.setattr(
        demo, "SETTINGS", {name: value for name, value in TINY.items() if name not in ("epochs", "pretrained")}
    )
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.setattr("intarsia.backbones.pretrained._hub_answers", lambda: False)
    assert main(["demo", "--out", str(tmp_path / "demo"), "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert "A linear classifier of single pixels reaches" in printed.out
    assert "intarsia: note: No pretrained weights for `test_resnet`" in printed.err
    assert "linear baseline" in (tmp_path / "demo" / "report.html").read_text()
    assert len(list((tmp_path / "demo" / "masks" / "overlays").iterdir())) == 6


def test_the_recipe_of_a_run_trains_again(discs: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", str(discs), "--out", str(first), *SMALL]) == 0
    assert main(["train", "--recipe", str(first / "recipe.json"), "--seed", "1", "--out", str(second)]) == 0
    a, b = (json.loads((run / "recipe.json").read_text()) for run in (first, second))
    assert {name for name in a if a[name] != b[name]} == {"seed"}


def test_a_length_that_is_typed_overrides_whichever_the_recipe_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    taken: list[Recipe] = []
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: taken.append(recipe))
    for name, values in {"short": {"steps": 7}, "long": {"epochs": 9}}.items():
        make_recipe(data="photos", **values).write(tmp_path / f"{name}.json")
    assert main(["train", "--recipe", str(tmp_path / "short.json"), "--epochs", "3"]) == 0
    assert main(["train", "--recipe", str(tmp_path / "long.json"), "--steps", "5"]) == 0
    assert [(recipe.epochs, recipe.steps) for recipe in taken] == [(3, None), (20, 5)]
    assert main(["train", "photos", "--epochs", "3", "--steps", "5"]) == 1
    assert "`--epochs` and `--steps` both say how long the training is; give one of them." in capsys.readouterr().err


def test_out_is_named_after_the_data(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(discs), *SMALL]) == 0
    assert (tmp_path / "runs" / "photos" / "weights.safetensors").is_file()


def test_averaged_views_and_tiles(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    for more, said in (
        (["--tta"], "at the scales 0.5, 0.75, 1, 1.25, 1.5 and 1.75, each also mirrored left to right."),
        (["--tta-scales", "0.75,1"], "at the scales 0.75 and 1, each also mirrored left to right."),
        (["--tile", "130"], "Images of more than 128 pixels a side in tiles of 128 pixels that overlap by 32."),
    ):
        page = tmp_path / "page.html"
        assert main(["evaluate", str(disc_run), str(discs), *more, "--json", "--report", str(page)]) == 0
        assert said in json.loads(capsys.readouterr().out)["protocol"]
        assert said in page.read_text()
        assert main(["evaluate", str(disc_run), str(discs), *more]) == 0
        assert said in capsys.readouterr().out
        out = tmp_path / more[-1]
        assert main(["predict", str(disc_run), str(discs / "images"), "--out", str(out), *more]) == 0
        assert "8 of 8 masks" in capsys.readouterr().out


def test_several_images_on_the_command_line(discs: Path, disc_run: Path, tmp_path: Path, capsys: Capture) -> None:
    """As a shell hands over an unquoted glob."""
    images = sorted(map(str, (discs / "images").glob("disc_[0-4].png")))
    assert main(["predict", str(disc_run), *images, "--out", str(tmp_path / "masks")]) == 0
    assert "5 of 5 masks" in capsys.readouterr().out
