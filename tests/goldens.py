"""Outputs of the original networks, under a stated rule for weights and inputs: tests/golden/README.md."""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
TOLERANCE = 1e-8  # of an output's standard deviation, in float64


@dataclass(frozen=True)
class Golden:
    """What one original network is called, what its parameters are called, and what it computed."""

    content: Mapping[str, Any]

    @property
    def names(self) -> Mapping[str, list[int]]:
        return self.content["names"]

    def state_dict(self) -> dict[str, Tensor]:
        """The original's parameters and buffers, float64, filled by the rule."""
        return {name: fill(name, tuple(shape)) for name, shape in self.names.items()}

    def output(self, name: str, seed: int = 1) -> Mapping[str, Any]:
        (found,) = [o for o in self.content["outputs"] if (o["output"], o["seed"]) == (name, seed)]
        return found

    def image(self, name: str = "main") -> Tensor:
        """The input of one output: (B, C, H, W), float64."""
        entry = self.output(name)
        return torch.from_numpy(generator(entry["seed"]).standard_normal(entry["input_shape"]))

    def check(self, name: str, computed: Tensor) -> None:
        """Hold a computed tensor, float64, against the original's output of that name."""
        check(self.output(name), computed)


@cache
def golden(name: str) -> Golden:
    return Golden(json.loads((FOLDER / f"{name}.json").read_text()))


def check(expected: Mapping[str, Any], computed: Tensor) -> None:
    assert list(computed.shape) == expected["shape"]
    assert computed.dtype == torch.float64
    flat, std = computed.detach().flatten(), expected["std"]
    indices = slice(None) if expected["indices"] == "all" else expected["indices"]
    found = {"values": flat[indices], "mean": flat.mean(), "std": flat.std(correction=0)}
    for what, value in found.items():
        torch.testing.assert_close(
            value, torch.tensor(expected[what], dtype=torch.float64), rtol=0, atol=TOLERANCE * std
        )


def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """Rule 1 of tests/golden/README.md."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    draw = generator(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return torch.from_numpy(draw.uniform(0.5, 1.5, shape))
    if name.endswith(("running_mean", "bias")):
        return torch.from_numpy(0.1 * draw.standard_normal(shape))
    if len(shape) >= 2:
        return torch.from_numpy(draw.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:])) * 0.7)
    if len(shape) == 1 and name.endswith("weight"):
        return torch.from_numpy(draw.uniform(0.5, 1.5, shape))
    return torch.full(shape, 0.5, dtype=torch.float64)


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
