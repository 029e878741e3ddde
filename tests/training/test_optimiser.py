"""Rates, groups and gradients: which weights learn how fast, and what cuts a gradient short."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import run_tiny
from torch import nn

from intarsia.models import create_model
from intarsia.runs import make_recipe
from intarsia.training import loop
from intarsia.training.optimiser import FACTOR, create_optimiser
from intarsia.training.schedule import learning_rate

STEPS = 10
SCHEDULES: list[tuple[dict[str, Any], list[float]]] = [
    ({"schedule": "poly", "power": 0.5}, [math.sqrt(1 - step / STEPS) for step in range(STEPS)]),
    ({"schedule": "cosine"}, [(1 + math.cos(math.pi * step / STEPS)) / 2 for step in range(STEPS)]),
    ({"schedule": "step"}, [1.0] * 4 + [0.1] * 4 + [0.01] * 2),
    ({"schedule": "step", "drops": (0.5,)}, [1.0] * 5 + [0.1] * 5),
    ({"schedule": "constant"}, [1.0] * STEPS),
    ({"schedule": "constant", "warmup": 4}, [0.25, 0.5, 0.75, 1.0] + [1.0] * 6),
    ({"schedule": "poly", "power": 1, "warmup": 2}, [0.5, *((1 - step / STEPS) for step in range(1, STEPS))]),
]


@pytest.mark.parametrize(("values", "expected"), SCHEDULES)
def test_rates(values: dict[str, Any], expected: list[float]) -> None:
    recipe = make_recipe(data="x", learning_rate=3.0, **values)
    rates = [learning_rate(recipe, step, STEPS) for step in range(STEPS)]
    assert rates == pytest.approx([3.0 * share for share in expected])


@pytest.mark.parametrize("decay_vectors", [False, True])
def test_groups(decay_vectors: bool) -> None:
    """DeepLab's: the head 10 times as fast, biases twice, and so its biases 20 times."""
    net = create_model("deeplabv3", "test_resnet", classes=2, channels=8)
    recipe = make_recipe(data="x", head_factor=10, bias_factor=2, weight_decay=0.5, decay_vectors=decay_vectors)
    groups = create_optimiser(recipe, net).param_groups
    found = {id(p): (group[FACTOR], group["weight_decay"]) for group in groups for p in group["params"]}
    modules = dict(net.named_modules())
    kinds = set()
    for name, parameter in net.named_parameters():
        module, _, kind = name.rpartition(".")
        is_norm = isinstance(modules[module], nn.BatchNorm2d)
        in_backbone, is_bias = name.startswith("backbone"), kind == "bias" and not is_norm
        factor = (1 if in_backbone else 10) * (2 if is_bias else 1)
        decays = kind == "weight" and not is_norm
        assert found[id(parameter)] == (factor, 0.5 if decays or decay_vectors else 0.0), name
        kinds.add((in_backbone, is_norm, is_bias))
    assert kinds == {
        (True, True, False),
        (True, False, False),
        (False, True, False),
        (False, False, False),
        (False, False, True),
    }
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))


def test_rates_of_groups_follow_the_schedule_and_momentum_is_the_recipes(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = SimpleNamespace(groups=[]), loop.Loop.step

    def step(self: loop.Loop, state: Any, *arguments: Any) -> Any:
        outcome = real(self, state, *arguments)
        groups = state.optimiser.param_groups
        seen.groups.append({(group[FACTOR], round(group["lr"], 6), group["momentum"]) for group in groups})
        return outcome

    monkeypatch.setattr(loop.Loop, "step", step)
    how = {"optimiser": "sgd", "learning_rate": 0.01, "momentum": 0.99, "schedule": "step", "drops": (0.5,)}
    run_tiny(discs, tmp_path / "run", head_factor=10, steps=4, **how)
    early, late = {(1.0, 0.01, 0.99), (10.0, 0.1, 0.99)}, {(1.0, 0.001, 0.99), (10.0, 0.01, 0.99)}
    assert seen.groups == [early, early, late, late]


def test_a_long_gradient_is_cut_to_its_norm(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    real = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *arguments: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    run_tiny(discs, tmp_path / "free", optimiser="sgd", steps=2)
    free = list(norms)
    norms.clear()
    run_tiny(discs, tmp_path / "cut", optimiser="sgd", steps=2, clip=min(free) / 2)
    assert norms == pytest.approx([min(free) / 2] * 2, rel=1e-4)
