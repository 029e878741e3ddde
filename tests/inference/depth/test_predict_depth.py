"""Files of depths, in numbers, colours and points; a bad sample is reported and the rest goes on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_runs import Scene, depth_network, write_scenes
from PIL import Image

from intarsia.data.depth import DepthSample, FileDepthSample, Measuring, open_depth, read_depth, write_depth
from intarsia.data.depth.measured import measured_depth
from intarsia.errors import DataError
from intarsia.inference import Execution, Preprocessing
from intarsia.inference.depth import DepthEstimator, find_measured, predict_depth_files
from intarsia.inference.depth.predict import unit_for


def estimator() -> DepthEstimator:
    return DepthEstimator(depth_network(), Preprocessing((0.5,) * 3, (0.25,) * 3), Execution())


def predict(samples: Any, out: Path, measuring: Measuring | None = None) -> list[str | None]:
    return [outcome.complaint for outcome in predict_depth_files(estimator(), samples, out, measuring)]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_what_the_network_answers(tmp_path: Path) -> None:
    samples: tuple[DepthSample, ...] = open_depth(write_scenes(tmp_path / "set")).split("val")
    out, measuring = tmp_path / "out", Measuring("count", 40)
    assert predict(samples, out, measuring) == [None, None]
    names = ("plane_0", "plane_1")
    assert files(out) == {
        "depth.json",
        *(f"{name}.png" for name in names),
        *(f"coloured/{name}.png" for name in names),
        *(f"points/{name}.ply" for name in names),
    }
    assert json.loads((out / "depth.json").read_text()) == {"metres_per_value": 0.001}
    measured = measured_depth(samples[1], samples[1].image(), None, measuring, 0, 1)
    expected = estimator().predict(samples[1].image(), measured).depth
    np.testing.assert_allclose(read_depth(out / "plane_1.png", 0.001), expected, atol=0.00051)
    with Image.open(out / "coloured" / "plane_1.png") as picture:
        assert picture.size[1] > 36, "a bar is below"
    assert (out / "points" / "plane_1.ply").read_bytes().startswith(b"ply\n")
    assert f"element vertex {36 * 44}\n".encode() in (out / "points" / "plane_1.ply").read_bytes()


def test_a_written_map_is_read_back_as_measurements(tmp_path: Path) -> None:
    """The folder of one prediction serves as `--sparse` of the next."""
    data = write_scenes(tmp_path / "set")
    first, second = tmp_path / "first", tmp_path / "second"
    predict(open_depth(data).split("val"), first, Measuring("count", 40))
    images = data / "val" / "images"
    assert predict(find_measured(images, first, second), second) == [None, None]
    for name in ("plane_0.png", "plane_1.png"):
        np.testing.assert_array_equal(read_depth(second / name, 0.001), read_depth(first / name, 0.001))


def test_the_unit_holds_twice_what_is_measured(tmp_path: Path) -> None:
    assert [unit_for(metres) for metres in (65.535, 65.6, 170.0, 255.9, 257.0)] == [
        0.001,
        1 / 256,
        1 / 256,
        1 / 256,
        1 / 128,
    ]
    far = np.full((20, 30), 85.0, np.float32)
    assert predict([Scene(far, far)], tmp_path / "far") == [None]
    assert json.loads((tmp_path / "far" / "depth.json").read_text()) == {"metres_per_value": 1 / 256}
    (complaint,) = predict([Scene(far * 4, far * 4, "hill")], tmp_path / "far")
    assert complaint is not None
    assert "puts a part of `hill` at 340 m, which 16 bits do not hold at 0.00390625 m a value" in complaint
    assert "it was told of 340 m at most" in complaint
    assert "hill.png" not in files(tmp_path / "far")
    (tmp_path / "camera").mkdir()
    (tmp_path / "camera" / "depth.json").write_text('{"camera": {"fx": 9, "fy": 9, "cx": 1, "cy": 1}}')
    predict([Scene(far, far)], tmp_path / "camera")
    stated = json.loads((tmp_path / "camera" / "depth.json").read_text())
    assert stated == {"camera": {"fx": 9, "fy": 9, "cx": 1, "cy": 1}, "metres_per_value": 1 / 256}


def spoil(path: Path, how: str) -> None:
    if how == "8 bits":
        Image.fromarray(np.full((36, 44), 100, np.uint8)).save(path)
    elif how == "size":
        write_depth(path, np.ones((36, 43), np.float32))
    elif how == "missing":
        write_depth(path, np.zeros((36, 44), np.float32))
    elif how == "negative":
        path.unlink()
        np.save(path.with_suffix(".npy"), np.full((36, 44), -1.0, np.float32))
    else:
        path.write_bytes(b"no picture")


SPOILED = [
    ("8 bits", "has 8 bits, too few for depth"),
    ("size", r"has 36 rows × 44 columns, but its measured depth .* has 36 × 43: they must be equal"),
    ("missing", "holds no depth at all, only 0, NaN or ∞ for unknown ones"),
    ("negative", "holds the depth -1 m, but depths are above 0"),
    ("broken", "plane_0"),
]


@pytest.mark.parametrize(("how", "sentence"), SPOILED)
def test_bad_measurements_are_reported_and_the_rest_goes_on(tmp_path: Path, how: str, sentence: str) -> None:
    data, out = write_scenes(tmp_path / "set", sparse=True), tmp_path / "out"
    sparse = data / "val" / "sparse"
    (sparse / "depth.json").write_text('{"metres_per_value": 0.001}')
    spoil(sparse / "plane_0.png", how)
    first, second = predict(find_measured(data / "val" / "images", sparse), out)
    assert second is None
    with pytest.raises(DataError, match=sentence):
        raise DataError(first)
    assert files(out) == {"depth.json", "plane_1.png", "coloured/plane_1.png", "points/plane_1.ply"}


def test_images_find_their_measurements(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "set", sparse=True)
    sparse, images = data / "val" / "sparse", data / "val" / "images"
    (data / "val" / "depth.json").write_text(
        '{"metres_per_value": 0.01, "camera": {"fx": 50, "fy": 50, "cx": 20, "cy": 18}}'
    )
    found = find_measured([str(images / "plane_1.png")], sparse)
    assert [sample.name for sample in found] == ["plane_1"]
    assert found[0].unit == 0.01, "stated around the folder"
    assert found[0].camera() is not None
    assert {sample.name for sample in find_measured(images, sparse)} == {"plane_0", "plane_1"}
    (sparse / "plane_0.png").rename(sparse / "plane_0.tif")
    assert find_measured(images, sparse)[0].measured_path == sparse / "plane_0.tif"


# where photographs lie below OUT, and what their depths would go by
OVERWRITTEN = [("coloured", "{0}.png"), ("points", "{0}.ply"), (".", "{0}.png")]


@pytest.mark.parametrize(("below", "file"), OVERWRITTEN)
def test_no_photograph_is_overwritten(below: str, file: str, tmp_path: Path) -> None:
    """Photographs in a folder `coloured` were replaced by the colours of their own depths."""
    data, out = write_scenes(tmp_path / "set"), tmp_path / "out"
    (out / below).mkdir(parents=True)
    samples = open_depth(data).split("val")
    moved = []
    for sample, other in zip(samples, reversed(samples), strict=True):
        assert isinstance(sample, FileDepthSample)
        place = sample.image_path.rename(out / below / file.format(other.name))
        moved.append(replace(sample, image_path=place))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for sample, said in zip(moved, predict(moved, out, Measuring("count", 40)), strict=True):
        place = out / below / file.format(sample.name)
        assert said == f"The depths of `{sample.name}` would overwrite `{place}`; choose another folder."
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_two_samples_do_not_write_one_file(tmp_path: Path) -> None:
    depth = np.full((20, 30), 2.0, np.float32)
    samples = [Scene(depth, depth, "0"), Scene(depth, depth, "coloured/0")]
    with pytest.raises(DataError, match=r"`0` and `coloured/0` would both write `.*out/coloured/0\.png`: rename one"):
        predict(samples, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refusals(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "set", sparse=True)
    sparse, images = data / "val" / "sparse", data / "val" / "images"
    with pytest.raises(DataError, match=r"There is no folder `.*nowhere` of measurements: correct the path"):
        find_measured(images, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"nothing says how many metres one is: write .* into `.*sparse/depth\.json`"):
        find_measured(images, sparse)
    (sparse / "depth.json").write_text('{"metres_per_value": 0.001}')
    samples = find_measured(images, sparse)
    for folder in (images, sparse):
        (first, _) = predict(samples, folder)
        with pytest.raises(DataError, match=r"depths of `plane_0` would overwrite `.*plane_0.png`; choose another"):
            raise DataError(first)
    (sparse / "plane_0.npy").touch()
    with pytest.raises(DataError, match="have the same name but for the extension"):
        find_measured(images, sparse)
    (sparse / "plane_0.npy").unlink()
    (sparse / "plane_1.png").unlink()
    with pytest.raises(DataError, match=r"`.*plane_1.png` has no measurements: put them into `.*sparse/plane_1\.png`"):
        find_measured(images, sparse)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "depth.json").write_text('{"metres_per_value": "millimetre"}')
    with pytest.raises(DataError, match="does not state a unit above 0"):
        predict(samples[:1], tmp_path / "out")
