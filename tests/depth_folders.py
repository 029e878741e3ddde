"""Miniatures of the layouts of depth sets."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.data.depth import write_depth

SIZE = (6, 8)
needs_h5py = pytest.mark.skipif(find_spec("h5py") is None, reason="h5py is not installed")


def image(path: Path, level: int = 100, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)
    return path


def depth(path: Path, metres: float = 2.5, unit: float = 0.001, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_depth(path, np.full(size, metres, np.float32), unit)
    return path


def plain(root: Path, count: int = 5, below: str = "", unit: float | None = 0.001) -> Path:
    for i in range(count):
        image(root / below / "images" / f"{i}.png", level=i)
        depth(root / below / "depth" / f"{i}.png", metres=1 + i)
    if unit is not None:
        (root / "depth.json").write_text(json.dumps({"metres_per_value": unit}))
    return root


def kitti(root: Path, count: int = 3, size: tuple[int, int] = SIZE) -> Path:
    """A miniature of the whole set: a recording to learn from, one to judge, their sweeps and pictures."""
    for split, drive in (("train", "2011_09_26_drive_0001_sync"), ("val", "2011_09_26_drive_0002_sync")):
        below = Path(split, drive, "proj_depth")
        for frame in range(count):
            file = f"image_02/{frame:010d}.png"
            depth(root / "data_depth_annotated" / below / "groundtruth" / file, 20 + frame, 1 / 256, size)
            depth(root / "data_depth_velodyne" / below / "velodyne_raw" / file, 20 + frame, 1 / 256, size)
            image(root / drive[:10] / drive / "image_02/data" / f"{frame:010d}.png", 100 + frame, size)
    return root


def write_nyu(path: Path, count: int = 5, size: tuple[int, int] = SIZE) -> Path:
    """A miniature of the labelled file: HDF5 holds MATLAB's (H, W, 3, N) with its axes reversed."""
    import h5py

    draw = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["images"] = draw.integers(0, 255, (count, 3, *size[::-1]), np.uint8)
        file["depths"] = draw.uniform(1, 9, (count, *size[::-1])).astype(np.float32)
    return path
