"""What a training on depths refuses: settings, measurements, files; all before the first step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_trainings import ARGUMENTS, SIZE, TINY, write_room
from PIL import Image

from intarsia.cli.main import main
from intarsia.data.depth import write_depth
from intarsia.errors import ArgumentError, DataError
from intarsia.training import train

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"refiner": "cspn"}, "`refiner` .='cspn'. belongs to segmentation; leave it out to train depths"),
    ({"refiner_options": {"steps": 3}}, "`refiner_options` .* belongs to segmentation"),
    ({"auxiliary": True}, "`auxiliary` .=True. belongs to segmentation"),
    ({"train": "refiner"}, "`train` .='refiner'. belongs to segmentation"),
    ({"model": "unet"}, "`model` .='unet'. is no model for `task` .='depth'.; take cspn_depth"),
    ({"output_stride": 8}, "`output_stride` .=8. of cspn_depth must be 32"),
    ({"task": "segmentation"}, "`measuring` .='count:200'. belongs to depth; leave it out to train a segmentation"),
    ({"task": "classification"}, "`options` .* belongs to segmentation; leave it out to train a classifier"),
    (
        {"task": "segmentation", "measuring": None},
        "finds no masks in `sample:motorcycle`, which holds depths; leave it",
    ),
    (
        {"loss": "berhu", "on_oom": "halve"},
        "`on_oom` .='halve'. cannot go with `loss` .='berhu'., where berhu measures",
    ),
    ({"measuring": "grid:49"}, "`measuring` .='grid:49'. may miss a crop .* 48 rows .* take grid:48 at most"),
    ({"measuring": "grid:48", "scale": (0.25, 1)}, "may miss a crop .* take grid:28 at most"),
    ({"measuring": "grid:200", "crop_size": 256, "scale": (4, 4)}, "a validation image, .* take grid:114 at most"),
    ({"crop_size": 32, "batch_size": 1}, "leaves batch norm a single value"),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_settings_without_effect_are_refused(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        train(data="sample:motorcycle", out=tmp_path / "run", quiet=True, **{**TINY, **given})
    assert not (tmp_path / "run").exists()


def test_built_in_scenes_are_among_the_names_that_are_meant(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="There is no built-in set `motorcycl`; did you mean motorcycle"):
        train(data="sample:motorcycl", out=tmp_path / "run", quiet=True)


def test_a_model_of_depths_segments_nothing(discs: Path, tmp_path: Path) -> None:
    sentence = "`model` .='cspn_depth'. is no model for `task` .='segmentation'.; take fcn32s"
    with pytest.raises(ArgumentError, match=sentence):
        train(data=str(discs), out=tmp_path / "run", quiet=True, model="cspn_depth")


def spoil_unit(room: Path) -> None:
    (room / "depth.json").unlink()


def spoil_bits(room: Path) -> None:
    Image.new("L", (SIZE[1], SIZE[0]), 9).save(room / "train" / "depth" / "1.png")


def spoil_all(room: Path) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint16)).save(room / "train" / "depth" / "1.png")


def spoil_sign(room: Path) -> None:
    (room / "train" / "depth" / "1.png").unlink()
    np.save(room / "train" / "depth" / "1.npy", np.full(SIZE, -2000.0, np.float32))


def spoil_size(room: Path) -> None:
    write_depth(room / "train" / "depth" / "1.png", np.ones((SIZE[0] - 1, SIZE[1]), np.float32))


def spoil_partner(room: Path) -> None:
    (room / "train" / "depth" / "1.png").unlink()


SPOILT = [
    (spoil_unit, "nothing says how many metres one is"),
    (spoil_bits, "has 8 bits, too few for depth"),
    (spoil_all, "holds no depth at all"),
    (spoil_sign, "holds the depth -2000 m, but depths are above 0"),
    (spoil_size, "has 56 rows × 64 columns, but its depth"),
    (spoil_partner, "1.png` has no depth"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_bad_depths_are_one_sentence(tmp_path: Path, spoil: Any, words: str, capsys: pytest.CaptureFixture) -> None:
    room = write_room(tmp_path / "room", train=2)
    spoil(room)
    assert main(["train", str(room), "--out", str(tmp_path / "run"), *ARGUMENTS]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("intarsia: ")
    assert words in said
    assert "Traceback" not in said


def test_files_that_are_skipped_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    room = write_room(tmp_path / "room", train=3)
    spoil_all(room)
    (tmp_path / "skip.txt").write_text("# holds no depth\ntrain/depth/1.png\n")
    command = ["train", str(room), "--out", str(tmp_path / "run"), "--skip", str(tmp_path / "skip.txt"), *ARGUMENTS]
    assert main(command) == 0
    assert "images: 2 train, 2 val, with depths." in capsys.readouterr().err


def test_a_sensor_that_misses_an_image_is_refused(tmp_path: Path) -> None:
    room = write_room(tmp_path / "room", train=2, sensor=True)
    (room / "val" / "sparse" / "1.png").unlink()
    with pytest.raises(DataError, match=r"val/images/1.png` has no measurements of its own, but 3 of 4 images have"):
        train(data=str(room), out=tmp_path / "run", quiet=True, **{**TINY, "measuring": None})
    assert not (tmp_path / "run").exists()
