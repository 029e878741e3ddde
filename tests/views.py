"""Pictures and strengths for tests of augmentation."""

from dataclasses import replace
from typing import Any

import numpy as np

from intarsia.data import Augmentation


def plain(crop_size: tuple[int, int], **changes: Any) -> Augmentation:
    """Geometry and colour switched off, but for what is named."""
    still = Augmentation(crop_size, scale=(1.0, 1.0), flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0)
    return replace(still, **changes)


def picture(rows: int, columns: int, dtype: type = np.uint8, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and a mask of noise."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (rows, columns, channels), dtype=np.uint8)
    return image, rng.integers(0, 21, (rows, columns)).astype(dtype)


def blobs(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """An image that tells its own mask: dark and bright discs, mask = bright."""
    y, x = np.mgrid[:rows, :columns]
    inside = (np.sin(x / 9) + np.cos(y / 7) > 0.3).astype(np.uint8)
    return np.repeat((inside * 255)[:, :, None], 3, axis=2), inside


def smooth(rows: int, columns: int) -> np.ndarray:
    """One channel that changes slowly, from dark to bright."""
    y, x = np.mgrid[:rows, :columns]
    return (128 + 60 * np.sin(x / 11) + 60 * np.cos(y / 13))[:, :, None].astype(np.uint8)
