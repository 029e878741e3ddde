"""Cameras: the sets that state one, and points in space that are seen where they came from."""

import json
from pathlib import Path

import numpy as np
import pytest
from depth_folders import SIZE, depth, image, needs_h5py, plain, write_nyu

from intarsia.data.depth import Camera, open_depth
from intarsia.data.depth.camera import read_camera, read_kitti_calibration, read_kitti_intrinsics
from intarsia.data.depth.point_cloud import points_of
from intarsia.errors import ArgumentError, DataError

CAMERA = Camera(80.0, 90.0, 3.25, 2.5)
DAY, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
P_rect_02: 7.2e+02 0.0 6.1e+02 4.4e+01 0.0 7.1e+02 1.7e+02 2.1e-01 0.0 0.0 1.0 2.7e-03
P_rect_03: 7.3e+02 0.0 6.2e+02 -3.4e+02 0.0 7.3e+02 1.8e+02 2.3e+00 0.0 0.0 1.0 2.7e-03
"""


def test_points_are_seen_at_their_pixels() -> None:
    """Projecting a point gives back its pixel, for any depths; a depth that is constant is a plane across the view."""
    draw = np.random.default_rng(0)
    z = np.where(draw.random(SIZE) < 0.7, draw.uniform(0.5, 9, SIZE), 0).astype(np.float32)
    x, y, back = points_of(z, CAMERA).T
    seen = np.stack([CAMERA.cy - CAMERA.fy * y / -back, CAMERA.cx + CAMERA.fx * x / -back], axis=1)
    np.testing.assert_allclose(seen, np.argwhere(z > 0), atol=1e-4)
    plane = points_of(np.full(SIZE, 3.0, np.float32), CAMERA)
    assert (plane[:, 2] == -3).all()
    first, last = plane[0], plane[-1]
    np.testing.assert_allclose(last[0] - first[0], 3 * (SIZE[1] - 1) / CAMERA.fx, rtol=1e-6)
    np.testing.assert_allclose(first[1] - last[1], 3 * (SIZE[0] - 1) / CAMERA.fy, rtol=1e-6)


def test_a_part_and_a_half_see_the_same_points() -> None:
    z = np.random.default_rng(1).uniform(1, 4, (10, 14)).astype(np.float32)
    whole = points_of(z, CAMERA).reshape(10, 14, 3)
    np.testing.assert_allclose(points_of(z[3:, 5:], CAMERA.cut(3, 5)).reshape(7, 9, 3), whole[3:, 5:], atol=1e-6)
    half = points_of(z[::2, ::2], CAMERA.halved()).reshape(5, 7, 3)
    np.testing.assert_allclose(half, whole[::2, ::2], atol=1e-6)


def test_the_motorcycles_parts_agree_on_where_things_are() -> None:
    """Two cuttings that overlap have the same points there; the camera is the docstring's, at half the size."""
    one, other = (sample.camera() for sample in open_depth("sample:motorcycle").split("val"))
    assert one is not None
    assert other is not None
    assert (one.fx, one.fy) == (other.fx, other.fy) == (994.978 / 2, 994.978 / 2)
    assert one.cx == other.cx == 311.193 / 2 - (204 + (371 - 204 - 152) // 2)
    assert one.cy == 254.877 / 2
    assert one.cy - other.cy == 250 - 114


def test_a_plain_folder_states_one_for_all(tmp_path: Path) -> None:
    plain(tmp_path)
    (sample, *_) = open_depth(tmp_path).split("train")
    assert sample.camera() is None
    stated = {"fx": 80, "fy": 90, "cx": 3.25, "cy": 2.5}
    (tmp_path / "depth.json").write_text(json.dumps({"metres_per_value": 0.001, "camera": stated}))
    dataset = open_depth(tmp_path)
    assert {sample.camera() for split in dataset.splits.values() for sample in split} == {CAMERA}


def test_a_camera_alone_leaves_fractions_metres(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth" / "a.npy", np.full(SIZE, 3.25))
    (tmp_path / "depth.json").write_text('{"camera": {"fx": 80, "fy": 90, "cx": 3.25, "cy": 2.5}}')
    (sample,) = open_depth(tmp_path).split("val")
    assert sample.camera() == CAMERA
    assert (sample.depth() == 3.25).all()


def test_kittis_calibration_is_found_by_day_and_camera(tmp_path: Path) -> None:
    for camera in ("image_02", "image_03"):
        depth(tmp_path / "train" / DRIVE / "proj_depth/groundtruth" / camera / "0000000005.png", 20, 1 / 256)
        image(tmp_path / DAY / DRIVE / camera / "data/0000000005.png")
    assert {sample.camera() for sample in open_depth(tmp_path).split("train")} == {None}
    (tmp_path / DAY / "calib_cam_to_cam.txt").write_text(CALIBRATION)
    cameras = {s.name[-13:-11]: s.camera() for split in open_depth(tmp_path).splits.values() for s in split}
    assert cameras == {"02": Camera(720, 710, 610, 170), "03": Camera(730, 730, 620, 180)}


def test_kittis_selection_has_one_an_image(tmp_path: Path) -> None:
    stem = DRIVE + "_{}_0000000008_image_02"
    image(tmp_path / "image" / f"{stem.format('image')}.png")
    depth(tmp_path / "groundtruth_depth" / f"{stem.format('groundtruth_depth')}.png", 30, 1 / 256)
    (tmp_path / "intrinsics").mkdir()
    (tmp_path / "intrinsics" / f"{stem.format('image')}.txt").write_text("720 0 610 0 710 170 0 0 1\n")
    (sample,) = open_depth(tmp_path).split("val")
    assert sample.camera() == Camera(720, 710, 610, 170)


@needs_h5py
def test_nyus_camera_is_its_toolboxs(tmp_path: Path) -> None:
    """The toolbox projects the pixel (column 1, row 1) of MATLAB to x = (1 − cx) z / fx; here it is column 0, row 0."""
    (sample, *_) = open_depth(write_nyu(tmp_path / "nyu_depth_v2_labeled.mat")).split("train")
    camera = sample.camera()
    assert camera is not None
    x, y, _ = points_of(np.full((1, 1), 2.0, np.float32), camera)[0]
    np.testing.assert_allclose(x, (1 - 325.58244941119034) * 2 / 518.85790117450188, rtol=1e-6)
    np.testing.assert_allclose(-y, (1 - 253.73616633400465) * 2 / 519.46961112127485, rtol=1e-6)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, np.nan, 1), (np.inf, 1, 1, 1)])
def test_a_camera_needs_focal_lengths(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ArgumentError, match="must have focal lengths fx and fy above 0 and finite cx and cy"):
        Camera(*numbers)


@pytest.mark.parametrize("camera", [3, {"fx": 5}, {"fx": 0, "fy": 1, "cx": 1, "cy": 1}, {**dict.fromkeys("abcd", 1)}])
def test_what_depth_json_must_state(camera: object, tmp_path: Path) -> None:
    (tmp_path / "depth.json").write_text(json.dumps({"camera": camera}))
    with pytest.raises(
        DataError, match=r'depth.json` states no camera .*: write its numbers in pixels, such as \{"cam'
    ):
        read_camera(tmp_path)


@pytest.mark.parametrize("text", ["", "P_rect_02: 1 0 2", "P_rect_02: one"])
def test_what_kittis_files_must_hold(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calib_cam_to_cam.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"calib_cam_to_cam.txt` holds no camera of 12 numbers as KITTI writes them"):
        read_kitti_calibration(path, "02")
    with pytest.raises(DataError, match="holds no camera of 9 numbers"):
        read_kitti_intrinsics(path)
