"""The smallest run of `task: depth`, as training leaves one behind, without training; scenes in memory and in files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from intarsia.data.depth import Camera, Depth, write_depth
from intarsia.models import DepthNetwork, create_model
from intarsia.runs import NetworkRecord, Recipe, Run
from intarsia.runs.weights import save_tensors
from intarsia.shapes import Picture, Window

TINY_NET: dict[str, Any] = {"backbone": "test_resnet", "steps": 3}


def depth_network(**options: Any) -> DepthNetwork:
    """The same random weights each time."""
    torch.manual_seed(0)
    net = create_model("cspn_depth", **{**TINY_NET, **options})
    assert isinstance(net, DepthNetwork)
    return net.eval()


def write_depth_run(folder: Path, measuring: str | None = "500", **changes: Any) -> Run:
    """A finished run of that network."""
    run, net = Run(folder), depth_network()
    record = {
        "model": "cspn_depth",
        "backbone": "test_resnet",
        "output_stride": 32,
        "form": "paper",
        "options": {"steps": 3},
        "auxiliary": False,
        "classes": 1,
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "weights_source": "scratch",
        "precision": "float32",
        "memory_format": "contiguous",
        "device": "cpu",
        "task": "depth",
        "measuring": measuring,
    }
    folder.mkdir(parents=True, exist_ok=True)
    Recipe(data="sample:motorcycle").write(run.recipe_path)
    run.write_network(NetworkRecord(**{**record, **changes}))
    save_tensors(run.weights_path, net.state_dict())
    return run


@dataclass(frozen=True)
class Scene:
    """Depths in memory, and what a sensor measured of them."""

    truth: Depth
    sensor: Depth | None = None
    name: str = "scene"

    def shape(self) -> tuple[int, int]:
        return self.truth.shape[0], self.truth.shape[1]

    def image(self, window: Window | None = None) -> Picture:
        return np.full((*self.truth.shape, 3), 100, np.uint8)[window or ...]

    def depth(self, window: Window | None = None) -> Depth:
        return self.truth[window or ...]

    def measured(self, window: Window | None = None) -> Depth | None:
        return None if self.sensor is None else self.sensor[window or ...]

    def camera(self) -> Camera | None:
        return None


def write_scenes(folder: Path, count: int = 2, size: tuple[int, int] = (36, 44), sparse: bool = False) -> Path:
    """A plain set of slanted planes, 1 to 4 m away, in millimetres; all of it is val."""
    draw = np.random.default_rng(0)
    depth = np.linspace(1, 4, size[0] * size[1], dtype=np.float32).reshape(size)
    for index in range(count):
        for part in ("images", "depth", *(("sparse",) if sparse else ())):
            (folder / "val" / part).mkdir(parents=True, exist_ok=True)
        picture = draw.integers(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / "val" / "images" / f"plane_{index}.png")
        write_depth(folder / "val" / "depth" / f"plane_{index}.png", depth + index)
        if sparse:
            seen = np.where(draw.random(size) < 0.05, depth + index, np.float32(0))
            write_depth(folder / "val" / "sparse" / f"plane_{index}.png", seen)
    (folder / "depth.json").write_text('{"metres_per_value": 0.001}')
    return folder
