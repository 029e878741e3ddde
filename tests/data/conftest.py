from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a picture below tmp_path: an array, or by default a small image (a small mask below a folder of masks)."""

    def write(name: str, pixels: object = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            is_mask = "mask" in name.lower() or "SegmentationClass" in name
            pixels = [[0, 1, 1], [0, 0, 2]] if is_mask else np.full((2, 3, 3), (90, 100, 110))
        array = np.asarray(pixels)
        Image.fromarray(array if array.dtype in (bool, np.uint16) else array.astype(np.uint8)).save(path)
        return path

    return write
