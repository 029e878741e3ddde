"""Killed at random with every option on, a run ends with the same bits as one that was not, in one process and in two.

The moments are drawn from all that lie before and behind each act that changes a state or a file, so that a training
dies between two of its files and two of its stages as well as within a step. ``INTARSIA_KILLS=50`` kills more often.
"""

import json
import os
import random
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tiny import at_step, run_tiny, same_runs, same_tensors, write_discs
from together import together

from intarsia.errors import EndedElsewhere
from intarsia.runs import Run, weights
from intarsia.training import loop, preparation, state

training = import_module("intarsia.training.train")  # the package gives its function by this name
KILLS = int(os.environ.get("INTARSIA_KILLS", "3"))
LEARNING = {
    "clip": 0.5,
    "optimiser": "sgd",
    "learning_rate": 0.003,
    "schedule": "cosine",
    "warmup": 2,
    "head_factor": 5,
}
KEEPING = {"ema": 0.9, "precise_batch_norm": 2, "best_by": "iou:class 1", "patience": 3, "checkpointing": True}
BALANCING = {"class_weights": "effective_number", "image_weights": "rarity", "class_crops": 0.5, "accumulate": 2}
LOSS = {"loss": "ohem+aaf", "loss_options": {"threshold": 0.9, "sizes": (3, 5)}}
PSPNET = {"model": "pspnet", "options": {"bins": (1, 2), "channels": 8}, "auxiliary": True, "batch_size": 1}
ATROUS = {"model": "deeplabv3", "options": {"channels": 8, "rates": (1, 2)}, "freeze_batch_norm": True}
OTHER = {
    "steps": 2,
    "batch_size": 2,
    "accumulate": 1,
    "crop_size": 48,
    "schedule": "constant",
    "loss_options": {"sizes": (3,)},
}
RECIPE: dict[str, Any] = {
    **LEARNING,
    **KEEPING,
    **BALANCING,
    **LOSS,
    **PSPNET,
    "stages": [
        {"output_stride": 16, "steps": 4},
        {"output_stride": 8, "steps": 3, "optimiser": "continue", "freeze_batch_norm": "statistics"},
        {**ATROUS, **OTHER, "hard_classes": "auto", "split": "trainval"},
    ],
}
THREE: dict[str, Any] = {"steps": 4, "batch_size": 1, "crop_size": 48, "checkpoint_minutes": 0}
SHARED = [  # what all processes do, in the same order
    *((loop.Loop, name) for name in ("step", "_measure_norms", "_validate", "_save")),
    *((state.TrainingState, "restore"), (preparation.Preparation, "next_stage")),
]
ACTS = [  # before and behind each of which a training may die
    *SHARED,
    *((Run, name) for name in ("begin", "write_network", "write_history")),
    *((loop.Loop, "_leave_weights"), (weights, "save_file"), (Path, "replace"), (training, "write_balances")),
]


class Killed(BaseException):
    """Ends a training at once, whatever it is doing."""


def end() -> None:
    raise Killed


def dying(patch: pytest.MonkeyPatch, acts: list[tuple[Any, str]], moment: int, die: Callable[[], None]) -> list[str]:
    """Die at that of all moments before and behind the acts; the list grows by the moments that have passed."""
    passed: list[str] = []

    def pass_by(what: str) -> None:
        passed.append(what)
        if len(passed) == moment:
            die()

    def watched(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(real)
        def act(*arguments: Any, **named: Any) -> Any:
            pass_by(f"before {name}")
            outcome = real(*arguments, **named)
            pass_by(f"behind {name}")
            return outcome

        return act

    for owner, name in acts:
        patch.setattr(owner, name, watched(getattr(owner, name), name))
    return passed


def trained(data: Path, out: Path) -> None:
    """Begun, or gone on with; saved after each step."""
    begun = (out / "recipe.json").exists()
    run_tiny(data, out, **RECIPE, checkpoint_minutes=0, resume=begun)


def killed_at_random(data: Path, folder: Path, acts: list[tuple[Any, str]]) -> list[str]:
    """Train once undisturbed and once with deaths; at which moments it died."""
    with pytest.MonkeyPatch.context() as patch:
        moments = dying(patch, acts, 0, end)
        trained(data, folder / "whole")
    draw, deaths = random.Random(0), []
    for _ in range(KILLS):
        with pytest.MonkeyPatch.context() as patch:
            passed = dying(patch, acts, draw.randint(1, 2 * len(moments) // KILLS), end)
            try:
                trained(data, folder / "killed")
            except (Killed, EndedElsewhere):
                deaths.append(passed[-1])
    trained(data, folder / "killed")
    return deaths


def same(one: Path, other: Path) -> bool:
    """Whether all that two runs leave is the same, but for times."""
    texts = ("balance.json", "network.json", "recipe.json")
    return (
        same_runs(one, other)
        and same_tensors(one / "last.safetensors", other / "last.safetensors")
        and [json.loads((one / text).read_text()) for text in texts]
        == [json.loads((other / text).read_text()) for text in texts]
    )


@pytest.mark.timeout(600)
def test_killed_at_random_it_ends_with_the_same_bits(discs: Path, tmp_path: Path) -> None:
    deaths = killed_at_random(discs, tmp_path, ACTS)
    assert len(deaths) >= KILLS - 1
    assert same(tmp_path / "whole", tmp_path / "killed"), deaths


def in_two(rank: int, folder: Path) -> list[str]:
    del rank  # both die at the same moments, as when a machine is switched off
    return killed_at_random(folder / "photos", folder, SHARED)


@pytest.mark.timeout(600)
def test_killed_at_random_in_two_processes_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    write_discs(tmp_path / "photos")
    first, second = together(in_two, tmp_path)
    assert first == second
    assert len(first) >= KILLS - 1
    assert same(tmp_path / "whole", tmp_path / "killed"), first


def in_three(rank: int, folder: Path) -> None:
    """Both runs of a small network; what dies at its third step is saved at its second or third."""
    del rank
    run_tiny(folder / "photos", folder / "whole", **THREE)
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 3, end)
        with pytest.raises((Killed, EndedElsewhere)):
            run_tiny(folder / "photos", folder / "killed", **THREE)
    run_tiny(folder / "photos", folder / "killed", resume=True, **THREE)


@pytest.mark.slow
def test_the_order_of_three_summands_is_the_same_in_a_resumed_run(tmp_path: Path) -> None:
    """Of two it does not matter."""
    write_discs(tmp_path / "photos", 12)
    assert together(in_three, tmp_path, processes=3) == [None] * 3
    assert same_runs(tmp_path / "whole", tmp_path / "killed")
