from pathlib import Path

import numpy as np
import pytest

from intarsia.data import Classes, Dataset, FileSample, open_dataset, write_folder
from intarsia.data.samples.materials import materials
from intarsia.errors import DataError

SMALL = materials(train=3, val=2, size=24)


def _pixels(dataset):
    return {(split, s.name): (s.image(), s.mask()) for split, samples in dataset.splits.items() for s in samples}


def test_a_written_dataset_is_read_unchanged(tmp_path):
    write_folder(SMALL, tmp_path / "out")
    read = open_dataset(tmp_path / "out")
    assert read.classes == SMALL.classes
    written, again = _pixels(SMALL), _pixels(read)
    assert written.keys() == again.keys()
    for key, (image, mask) in written.items():
        np.testing.assert_array_equal(again[key][0], image)
        np.testing.assert_array_equal(again[key][1], mask)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("splits", "flat", "files"),
    [
        (None, True, ["train-0000", "train-0001", "train-0002", "val-0000", "val-0001"]),
        (["val"], True, ["val-0000", "val-0001"]),
        (["val"], False, ["val/val-0000", "val/val-0001"]),
    ],
)
def test_splits_are_chosen_and_may_be_left_out_of_the_paths(tmp_path, splits, flat, files):
    tmp_path.joinpath("out").mkdir()  # an empty folder may be filled
    write_folder(SMALL, tmp_path / "out", splits=splits, flat=flat)
    for kind in ("images", "masks"):
        found = sorted(
            p.relative_to(tmp_path / "out" / kind).as_posix() for p in (tmp_path / "out" / kind).rglob("*.png")
        )
        assert found == [f"{file}.png" for file in files]


@pytest.mark.parametrize("kind", ["binary", "colour"])
def test_masks_of_any_encoding_are_written_as_indices(put, tmp_path, kind):
    values = {"binary": [[0, 255]], "colour": [[[9, 9, 9], [200, 0, 0]]]}[kind]
    put("in/images/x.y/a.png", np.zeros((1, 2, 3)))
    put("in/masks/x.y/a.png", values)
    write_folder(open_dataset(tmp_path / "in"), tmp_path / "out")
    sample = open_dataset(tmp_path / "out").split("val")[0]
    assert sample.name == "x.y/a"
    assert sample.mask().tolist() == [[0, 1]]


@pytest.mark.parametrize("occupied", ["file", "folder"])
def test_nothing_is_overwritten(tmp_path, occupied):
    out = tmp_path / "out"
    if occupied == "folder":
        out.mkdir()
        (out / "precious.txt").write_text("")
    else:
        out.write_text("")
    with pytest.raises(DataError, match=r"out` exists and is not an empty folder: choose a new one"):
        write_folder(SMALL, out)


def test_names_must_differ_in_a_flat_folder(tmp_path):
    sample = FileSample("a", Path("a.png"), Path("a.png"), Classes.numbered(2))
    twins = Dataset("twins", "", sample.classes, {"train": (sample,), "val": (sample,)})
    with pytest.raises(DataError, match="Two samples of `twins` are called `a`: write it with split folders, not flat"):
        write_folder(twins, tmp_path / "out", flat=True)


def test_a_failure_leaves_nothing_behind(tmp_path):
    broken = FileSample("b", tmp_path / "gone.png", tmp_path / "gone.png", SMALL.classes)
    dataset = Dataset("d", "", SMALL.classes, {"train": (*SMALL.split("train"), broken)})
    with pytest.raises(DataError, match=r"gone\.png"):
        write_folder(dataset, tmp_path / "out")
    assert not list(tmp_path.iterdir())
