"""The smallest data set and the smallest recipe that show what training does, and comparisons of runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.runs import Run

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


def run_tiny(data: Path, out: Path, **more: Any) -> Run:
    """Train the tiny recipe, a little changed."""
    from intarsia.training import train

    return train(data=str(data), out=out, **{"quiet": True, **TINY, **more})


def same_tensors(a: Path, b: Path) -> bool:
    """Whether two safetensors files hold the same names and the same bits."""
    import torch
    from safetensors.torch import load_file

    left, right = load_file(a), load_file(b)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def same_runs(a: Path, b: Path) -> bool:
    """Whether two runs ended with the same state, the same best weights and the same metrics, bit by bit."""
    histories = [[{**epoch, "seconds": 0, "waited": 0} for epoch in Run(run).history()] for run in (a, b)]
    files = ("checkpoint.safetensors", "weights.safetensors")
    return histories[0] == histories[1] and all(same_tensors(a / name, b / name) for name in files)


def at_step(monkeypatch: pytest.MonkeyPatch, chosen: int, act: Callable[[], None]) -> list[int]:
    """Act after each chosen step that is taken, counted over all trainings; the list grows by the steps taken."""
    from intarsia.training import loop

    taken: list[int] = []
    real = loop.Loop.step

    def step(self: loop.Loop, state: Any, *arguments: Any) -> Any:
        outcome = real(self, state, *arguments)
        taken.append(state.step)
        if len(taken) == chosen:
            act()
        return outcome

    monkeypatch.setattr(loop.Loop, "step", step)
    return taken


def saved_step(out: Path) -> int:
    """The step of a run's checkpoint; 0 before the first."""
    from safetensors import safe_open

    path = Run(out).checkpoint_path
    if not path.exists():
        return 0
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["state"])["step"]
