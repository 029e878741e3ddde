"""The smallest training on depths: its settings, as keywords and as a command, and a room to train in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.data.depth import write_depth

TINY: dict[str, Any] = {
    "backbone": "test_resnet",
    "options": {"steps": 2},
    "pretrained": False,
    "epochs": 2,
    "batch_size": 2,
    "crop_size": 48,
    "measuring": 200,
    "precision": "float32",
    "memory_format": "contiguous",
}
SIZE = (56, 64)
ARGUMENTS = """
    --backbone test_resnet --options.steps 1 --no-pretrained --epochs 1 --batch-size 2 --crop-size 48
    --scale 1 1 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


def write_room(root: Path, train: int = 4, sensor: bool = False) -> Path:
    """Slopes before a wall, with noise for an image."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", 2)):
        for part in ("images", "depth", "sparse"):
            (root / split / part).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image = generator.integers(0, 255, (*SIZE, 3), np.uint8)
            Image.fromarray(image).save(root / split / "images" / f"{i}.png")
            slope = np.linspace(1, generator.uniform(2, 4), SIZE[1], dtype=np.float32)
            write_depth(root / split / "depth" / f"{i}.png", np.minimum(np.broadcast_to(slope, SIZE), np.float32(2.5)))
            if sensor:
                write_depth(root / split / "sparse" / f"{i}.png", np.where(generator.random(SIZE) < 0.1, slope, 0))
    (root / "depth.json").write_text(json.dumps({"metres_per_value": 0.001}))
    return root
