"""Depth files: units, what is missing, what is refused, and back again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from intarsia.data.depth import read_depth, write_depth
from intarsia.data.depth.camera import Camera, read_camera
from intarsia.data.depth.files import read_unit
from intarsia.errors import ArgumentError, DataError

METRES = np.array([[0.0, 1.5, 2.25], [65.0, 0.001, 3.0]], np.float32)


def stored(folder: Path, kind: str, values: np.ndarray) -> Path:
    path = folder / f"depth.{kind}"
    if kind == "png":
        Image.fromarray(values).save(path)
    elif kind == "npy":
        np.save(path, values)
    else:
        tifffile.imwrite(path, values)
    return path


CASES = [
    # kind, values in the file, unit, metres
    ("png", np.rint(METRES * 1000).astype(np.uint16), 0.001, METRES),
    ("npy", np.rint(METRES * 1000).astype(np.int32), 0.001, METRES),
    ("tif", np.rint(METRES * 1000).astype(np.uint16), 0.001, METRES),
    ("tif", METRES, None, METRES),
    ("npy", METRES, None, METRES),
    ("npy", METRES.astype(np.float64), 0.01, METRES),  # a unit is that of whole numbers alone
    ("tif", METRES, 0.001, METRES),
    ("tiff", np.where(METRES == 0, np.nan, METRES), None, METRES),
    ("npy", np.where(METRES == 0, np.inf, METRES), None, METRES),
]


@pytest.mark.parametrize(("kind", "values", "unit", "metres"), CASES)
def test_files_become_metres(kind: str, values: np.ndarray, unit: float | None, metres: np.ndarray, tmp_path) -> None:
    path = stored(tmp_path, kind, values)
    depth = read_depth(path, unit)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, metres, rtol=1e-6)
    window = (slice(0, 1), slice(1, 3))
    np.testing.assert_array_equal(read_depth(path, unit, window), depth[window])


@pytest.mark.parametrize("unit", [0.001, 1 / 256, 0.01])
def test_what_is_written_is_read(unit: float, tmp_path: Path) -> None:
    depth = np.random.default_rng(0).uniform(0.3, 60, (9, 7)).astype(np.float32)
    depth[2:4] = 0
    write_depth(tmp_path / "d.png", depth, unit)
    found = read_depth(tmp_path / "d.png", unit)
    assert np.abs(found - depth).max() <= unit / 2 * 1.001
    assert ((found == 0) == (depth == 0)).all()


def test_what_is_nearer_than_half_a_unit_stays_known(tmp_path: Path) -> None:
    """A prediction of a millimetre was written as 0, which says that nothing is known."""
    write_depth(tmp_path / "d.png", np.array([[0.001, 0.0, 1.0]], np.float32), 1 / 256)
    assert read_depth(tmp_path / "d.png", 1 / 256).tolist() == [[1 / 256, 0.0, 1.0]]


REFUSED = [
    ("png", np.full((2, 3), 7, np.uint8), 0.001, "has 8 bits, too few for depth, .* save it as a 16-bit PNG"),
    ("png", np.full((2, 3), 7, np.uint16), None, r'nothing says how many metres one is: write \{"metres_per_value": 0'),
    ("png", np.full((2, 3, 3), 7, np.uint8), 0.001, "has 3 bands, but depth has one"),
    ("npy", -METRES, None, "holds the depth -65 m, but depths are above 0"),
    ("npy", np.zeros((2, 3), np.float32), None, "holds no depth at all, only 0, NaN or ∞ for unknown ones: replace it"),
    ("npy", np.full((2, 3), np.nan), None, "holds no depth at all, only 0, NaN or ∞"),
    ("tif", np.full((2, 3), np.inf, np.float32), None, "holds no depth at all, only 0, NaN or ∞"),
]


@pytest.mark.parametrize(("kind", "values", "unit", "sentence"), REFUSED)
def test_refusals(kind: str, values: np.ndarray, unit: float | None, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"depth.{kind}` {sentence}|{sentence}"):
        read_depth(stored(tmp_path, kind, values), unit)


def test_a_window_may_know_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path, "npy", METRES)
    assert not read_depth(path, window=(slice(0, 1), slice(0, 1))).any()


UNWRITABLE = [
    (-1.0, "must be metres from 0 on"),
    (np.nan, "and finite: put 0"),
    (
        70.0,
        r"The depth 70 m for `.*` is more than 16 bits hold at 0.001 m a value: use a larger `unit`, such as 0.00",
    ),
]


@pytest.mark.parametrize(("depth", "sentence"), UNWRITABLE)
def test_what_cannot_be_written(depth: float, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        write_depth(tmp_path / "d.png", np.full((2, 2), depth, np.float32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}", '{"metres_per_value": 0}', '{"metres_per_value": "mm"}'])
def test_a_unit_must_be_one(content: str, tmp_path: Path) -> None:
    (tmp_path / "depth.json").write_text(content)
    with pytest.raises(DataError, match=r"depth.json` does not state a unit above 0: write \{"):
        read_unit(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("0.001 m", r"depth.json` is no JSON \(Extra data.*\): write such as \{\"metres"),
        ("[1]", "depth.json` is no JSON object: write such as"),
        ('{"metre_per_value": 1}', "has the key `metre_per_value`, which is not read: call it `metres_per_value`, or"),
        (
            '{"metres_per_value": 1, "Camera": 1}',
            "has the key `Camera`, which is not read: call it `camera`, or another",
        ),
    ],
)
@pytest.mark.parametrize("read", [read_unit, read_camera])
def test_mistakes_in_depth_json(read: Callable[[Path], Any], content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "depth.json").write_text(content)
    with pytest.raises(DataError, match=sentence):
        read(tmp_path)


def test_depth_json_may_say_more(tmp_path: Path) -> None:
    camera = {"fx": 5, "fy": 5, "cx": 2, "cy": 1}
    own = {"sensor": "structured light", "camera_model": "D435", "": None}
    (tmp_path / "depth.json").write_text(json.dumps({"metres_per_value": 0.25, "camera": camera, **own}))
    assert (read_unit(tmp_path), read_camera(tmp_path)) == (0.25, Camera(**camera))


@pytest.mark.parametrize("content", [None, {"metres_per_value": 0.25}])
def test_units(content: Any, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "depth.json").write_text(json.dumps(content))
    assert read_unit(tmp_path) == (content and content["metres_per_value"])
