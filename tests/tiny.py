"""The smallest data set and the smallest recipe that show what training does."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TINY: dict[str, Any] = {
    "model": "unet",
    "backbone": "test_resnet",
    "options": {"widths": (8, 8, 8, 8, 8)},
    "pretrained": False,
    "epochs": 2,
    "batch_size": 2,
    "crop_size": 32,
    "precision": "float32",
    "memory_format": "contiguous",
}


def write_discs(folder: Path, count: int = 8, size: int = 40, seed: int = 0) -> Path:
    """Bright discs on a dark ground, as images/ + masks/ with indices 0 and 1 and an ignored ring."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    for i in range(count):
        centre, radius = generator.uniform(12, size - 12, 2), generator.uniform(6, 11)
        distance = np.hypot(rows - centre[0], columns - centre[1])
        mask = (distance < radius).astype(np.uint8)
        image = (40 + 150 * mask[..., None] + generator.integers(0, 30, (size, size, 3))).astype(np.uint8)
        mask[abs(distance - radius) < 0.7] = 255
        mask[0, 0] = 0
        for part, pixels in (("images", image), ("masks", mask)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / part / f"disc_{i}.png")
    return folder
