"""NYU's labelled file: what is read, its splits, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_folders import SIZE, needs_h5py, write_nyu
from scipy.io import savemat

from intarsia.cli.main import main
from intarsia.data.checking import check_depth
from intarsia.data.depth import nyu, open_depth
from intarsia.errors import DataError, MissingPackageError


@needs_h5py
def test_nyus_labelled_file(tmp_path: Path) -> None:
    import h5py

    path = write_nyu(tmp_path / "nyu_depth_v2_labeled.mat")
    assert {len(open_depth(source).splits) for source in (path, tmp_path)} == {2}
    savemat(tmp_path / "splits.mat", {"trainNdxs": [[1], [4]], "testNdxs": [[2], [3], [5]]})
    dataset = open_depth(tmp_path)
    names = {split: [s.name for s in samples] for split, samples in dataset.splits.items()}
    assert names == {"train": ["0001", "0004"], "val": ["0002", "0003", "0005"]}
    sample = dataset.split("train")[1]
    assert sample.shape() == sample.depth().shape == sample.image().shape[:2] == SIZE
    with h5py.File(path) as file:
        assert sample.image()[2, 5, 1] == np.asarray(file["images"])[3, 1, 5, 2]
        assert sample.depth()[2, 5] == np.asarray(file["depths"])[3, 5, 2]
    window = (slice(1, 3), slice(2, 7))
    np.testing.assert_array_equal(sample.depth(window), sample.depth()[window])
    assert sample.measured() is None
    savemat(tmp_path / "splits.mat", {"trainNdxs": [[1]], "testNdxs": [[9]]})
    with pytest.raises(DataError, match=r"splits.mat` holds no `testNdxs` for 5 images"):
        open_depth(tmp_path)


@needs_h5py
@pytest.mark.parametrize("kind", ["text", "empty"])
def test_another_file_is_not_nyus(kind: str, tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "nyu_depth_v2_labeled.mat"
    if kind == "text":
        path.write_text("not found")
    else:
        h5py.File(path, "w").close()
    with pytest.raises(DataError, match=r"is no HDF5 file or truncated|holds no `images` and `depths`"):
        open_depth(path)


def test_without_h5py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nyu, "find_spec", lambda name: None)
    (tmp_path / "nyu_depth_v2_labeled.mat").touch()
    with pytest.raises(MissingPackageError, match=r"needs the package `h5py`: pip install 'intarsia\[nyu\]'"):
        open_depth(tmp_path)


@needs_h5py
@pytest.mark.parametrize("content", ["not found", "", "HDF5", {"trainNdxs": "words", "testNdxs": [[1]]}])
def test_another_file_is_no_split(content: Any, tmp_path: Path) -> None:
    path, splits = write_nyu(tmp_path / "nyu_depth_v2_labeled.mat"), tmp_path / "splits.mat"
    if isinstance(content, dict):
        savemat(splits, content)
    elif content == "HDF5":
        splits.write_bytes(path.read_bytes())
    else:
        splits.write_text(content)
    with pytest.raises(DataError, match=r"splits.mat` (is no MATLAB file|holds no `trainNdxs`).* or remove the file"):
        open_depth(path)


def write_arrays(path: Path, images: np.ndarray, depths: np.ndarray) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file["images"], file["depths"] = images, depths
    return path


@needs_h5py
@pytest.mark.parametrize(("images", "depths"), [((5,), (5,)), ((5, 3, 8, 6), (5, 8, 7)), ((0, 3, 8, 6), (0, 8, 6))])
def test_arrays_of_other_shapes_are_not_nyus(images: tuple[int, ...], depths: tuple[int, ...], tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "own.mat", np.zeros(images, np.uint8), np.ones(depths, np.float32))
    with pytest.raises(DataError, match=r"own.mat` holds `images` of shape .* must be \(N, 3, W, H\)"):
        open_depth(path)


@needs_h5py
@pytest.mark.parametrize(
    ("bad", "value", "sentence"),
    [
        ([1], -1, "Image 0002 of `.*own.mat` holds the depth -1 m, but depths are above 0: fetch"),
        ([1], np.nan, "Image 0002 of `.*own.mat` holds no depth at all: fetch"),
        ([0, 1, 2], 0, "Image 0001 of `.*own.mat` holds no depth at all: fetch"),
    ],
)
def test_a_bad_image_is_named_and_cannot_be_left_out(
    bad: list[int], value: float, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    depths = draw.uniform(1, 3, (3, 8, 6)).astype(np.float32)
    depths[bad] = value
    path = write_arrays(tmp_path / "own.mat", draw.integers(0, 255, (3, 3, 8, 6), np.uint8), depths)
    sample = next(s for split in open_depth(path).splits.values() for s in split if s.name == f"{bad[0] + 1:04d}")
    with pytest.raises(DataError, match=sentence):
        sample.depth()
    report = check_depth(path)
    assert (len(report.errors), report.to_skip()) == (len(bad), ())
    with pytest.raises(DataError, match=r"holds (the depth|no depth at all)") as refused:
        report.usable()
    assert "--fix-list" not in str(refused.value)
    assert main(["check", str(path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["findings"]) == len(bad)
    assert main(["check", str(path)]) == 1
    assert "Image 0002" in capsys.readouterr().out
