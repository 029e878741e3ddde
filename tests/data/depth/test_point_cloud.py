"""Point clouds: read back by the PLY standard alone, and what cannot be written."""

import re
from pathlib import Path

import numpy as np
import pytest

from intarsia.data.depth import Camera
from intarsia.data.depth.point_cloud import write_point_cloud
from intarsia.errors import ArgumentError

CAMERA = Camera(80, 90, 3.25, 2.5)
PLY_TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "float": "f4", "double": "f8"}


def read_ply(path: Path) -> tuple[np.ndarray, list[str]]:
    """The vertices of a binary file as its header describes them, and its comments; nothing may be left over."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[0] == "ply"
    assert lines[1] == "format binary_little_endian 1.0"
    elements = [line.split() for line in lines if line.startswith("element")]
    assert [name for _, name, _ in elements] == ["vertex"]
    fields = [line.split()[1:] for line in lines if line.startswith("property")]
    dtype = np.dtype([(name, "<" + PLY_TYPES[kind]) for kind, name in fields])
    assert len(body) == int(elements[0][2]) * dtype.itemsize
    return np.frombuffer(body, dtype), [line for line in lines if line.startswith("comment")]


def a_scene() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    depth = np.where(draw.random((6, 8)) < 0.7, draw.uniform(0.5, 9, (6, 8)), 0).astype(np.float32)
    return depth, draw.integers(0, 256, (6, 8, 3), np.uint8)


def test_each_known_pixel_is_a_point_of_its_colour(tmp_path: Path) -> None:
    depth, image = a_scene()
    write_point_cloud(tmp_path / "a" / "scene.ply", depth, image, CAMERA)
    points, comments = read_ply(tmp_path / "a" / "scene.ply")
    assert points.dtype.names == ("x", "y", "z", "red", "green", "blue")
    rows, columns = np.nonzero(depth)
    np.testing.assert_array_equal(-points["z"], depth[rows, columns])
    np.testing.assert_allclose(CAMERA.cx - CAMERA.fx * points["x"] / points["z"], columns, atol=1e-4)
    np.testing.assert_allclose(CAMERA.cy + CAMERA.fy * points["y"] / points["z"], rows, atol=1e-4)
    for channel, name in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(points[name], image[rows, columns, channel])
    assert comments[1] == "comment camera of the image: fx 80 fy 90 cx 3.25 cy 2.5 in pixels"


def test_an_assumed_camera_is_said(tmp_path: Path) -> None:
    depth, image = a_scene()
    write_point_cloud(tmp_path / "scene.ply", depth, image[:, :, :1])
    points, comments = read_ply(tmp_path / "scene.ply")
    assert re.search(r"camera assumed, a view of 53 degrees: fx 8 fy 8 cx 3.5 cy 2.5", comments[1])
    assert (points["red"] == points["blue"]).all()
    x, z = points["x"], points["z"]
    degrees = np.rad2deg(2 * np.arctan(abs(x / z).max()))
    assert 40 < degrees < 53


WRONG = [
    (np.ones((6, 7), np.float32), r"The image \(=\(6, 8\)\) and the depths \(=\(6, 7\)\) for `.*` must have the same"),
    (np.zeros((6, 8), np.float32), "are all unknown"),
    (np.full((6, 8), -1, np.float32), "must be metres from 0 on"),
    (np.full((6, 8), np.nan, np.float32), "and finite: put 0 where none is known"),
]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("depth", "sentence"), WRONG)
def test_what_cannot_be_written(depth: np.ndarray, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        write_point_cloud(tmp_path / "scene.ply", depth, a_scene()[1], CAMERA)
    assert not list(tmp_path.iterdir())
