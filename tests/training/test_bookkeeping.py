"""What a run says of itself is what happened: losses, rates, the best weights, the strengths of a recipe."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY, at_step, run_tiny, same_runs
from torch import nn

from intarsia.errors import Interrupted
from intarsia.inference import Execution, find_images, load
from intarsia.metrics import Scores
from intarsia.models import create_model
from intarsia.runs import Run, make_recipe
from intarsia.training import loop, precision, train
from intarsia.training.optimiser import create_optimiser
from intarsia.training.samplers import StepBatches
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask

STEPS = 3  # an epoch of the discs: six training images, two a step


@pytest.fixture
def watched(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run of two epochs whose losses and rates were written down, and whose first epoch was the better one."""
    seen = SimpleNamespace(losses=[], rates=[], out=tmp_path / "run")
    real_loss, real_step = SegmentationTask.loss, loop.Loop.step

    def loss(self: SegmentationTask, *arguments: Any) -> Any:
        value = real_loss(self, *arguments)
        seen.losses.append(float(value.detach()))
        return value

    def step(self: loop.Loop, state: TrainingState, *arguments: Any) -> float:
        rate = real_step(self, state, *arguments)
        seen.rates.append(state.optimiser.param_groups[0]["lr"])
        return rate

    scripted = iter([np.array([[9, 1], [1, 9]]), np.array([[5, 5], [5, 5]])])
    monkeypatch.setattr(SegmentationTask, "loss", loss)
    monkeypatch.setattr(SegmentationTask, "validate", lambda *_: Scores(next(scripted), ("a", "b")))
    monkeypatch.setattr(loop.Loop, "step", step)
    run_tiny(discs, seen.out, power=0.5)
    return seen


def test_history_holds_what_happened(watched: SimpleNamespace) -> None:
    history = Run(watched.out).history()
    assert len(watched.losses) == 2 * STEPS
    for epoch, record in enumerate(history):
        mean = np.mean(watched.losses[epoch * STEPS : (epoch + 1) * STEPS])
        assert record["loss"] == pytest.approx(mean)
    expected = [1e-3 * (1 - step / (2 * STEPS)) ** 0.5 for step in range(2 * STEPS)]
    assert watched.rates == pytest.approx(expected)
    assert [record["learning_rate"] for record in history] == pytest.approx([expected[2], expected[5]])
    assert history[0]["mean_iou"] > history[1]["mean_iou"]


def test_the_weights_are_those_of_the_best_epoch(watched: SimpleNamespace) -> None:
    best, last = load_file(watched.out / "weights.safetensors"), load_file(watched.out / "checkpoint.safetensors")
    assert any(not torch.equal(best[name], last[f"net.{name}"]) for name in best)


def test_another_seed_is_another_start_and_order(discs: Path, tmp_path: Path) -> None:
    heads = []
    for seed in (0, 1):  # at this rate the weights stay what they were at the start
        run = train(data=str(discs), out=tmp_path / f"run{seed}", quiet=True, seed=seed, learning_rate=1e-12, **TINY)
        heads.append(load_file(run.weights_path)["head.weight"])
    assert (heads[0] - heads[1]).abs().max() > 1e-3
    orders = [list(StepBatches(images=20, batch_size=4, epochs=1, seed=seed)) for seed in (0, 1)]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_vectors_are_not_decayed(optimiser: str) -> None:
    net = create_model("unet", "test_resnet", widths=(8, 8, 8, 8, 8))
    recipe = make_recipe(data="x", optimiser=optimiser, learning_rate=0.5, weight_decay=0.1)
    built = create_optimiser(recipe, net)
    for group in built.param_groups:
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim > 1 else 0)
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}
        assert group.get("momentum", 0.9) == 0.9
        assert group["lr"] == 0.5
    assert sum(len(group["params"]) for group in built.param_groups) == len(list(net.parameters()))


@pytest.mark.parametrize(("bfloat16", "chosen"), [(0.99, "float32"), (0.9, "bfloat16")])
def test_bfloat16_must_win_clearly(monkeypatch: pytest.MonkeyPatch, bfloat16: float, chosen: str) -> None:
    monkeypatch.setattr(precision, "_time", lambda option, *_: bfloat16 if option.precision == "bfloat16" else 1.0)
    options = precision.executions("cpu", "auto", "contiguous")
    assert (
        precision.fastest(options, nn.Identity(), torch.zeros(1, 1, 1, 1), lambda net, x: x.sum()).precision == chosen
    )


def test_time_before_a_resume_counts(tmp_path: Path) -> None:
    net = nn.Linear(1, 1)
    state = TrainingState(net, torch.optim.SGD(net.parameters(), lr=1), seconds_before=100.0)
    state.save(tmp_path / "c.safetensors")
    other = TrainingState(net, torch.optim.SGD(net.parameters(), lr=1))
    other.restore(tmp_path / "c.safetensors")
    assert 100 <= other.seconds < 200


def test_a_measured_precision_holds_for_its_device_only(disc_run: Path, tmp_path: Path) -> None:
    from shutil import copytree

    copy = copytree(disc_run, tmp_path / "copy")
    path = copy / "network.json"
    path.write_text(path.read_text().replace('"cpu"', '"cuda"').replace('"float32"', '"bfloat16"'))
    assert load(copy, device="cpu").execution == Execution("cpu", "float32", "contiguous")


def test_placing_changes_the_layout() -> None:
    net = Execution("cpu", "float32", "channels_last").place(nn.Conv2d(4, 4, 3))
    assert net.weight.is_contiguous(memory_format=torch.channels_last)
    assert not net.weight.is_contiguous()


def test_hidden_files_are_no_photographs(discs: Path, tmp_path: Path) -> None:
    from shutil import copy

    for name in ("a.png", ".b.png", ".trash/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy(discs / "images" / "disc_0.png", tmp_path / name)
    assert [job.stem.name for job in find_images(tmp_path)] == ["a"]


def test_batch_norm_learns_in_each_step(discs: Path, disc_run: Path) -> None:
    """Validation leaves the network in evaluation mode."""
    tensors = load_file(disc_run / "checkpoint.safetensors")
    counts = {int(tensor) for name, tensor in tensors.items() if name.endswith("num_batches_tracked")}
    assert counts == {2 * STEPS}


def test_a_resumed_run_computes_as_recorded(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured once; a second measurement might choose otherwise, and the bits with it."""
    measured = []

    def fastest(options: Any, *_: Any) -> Execution:
        measured.append(len(options))
        return Execution("cpu", "bfloat16", "channels_last")

    monkeypatch.setattr("intarsia.training.precision.fastest", fastest)
    how = {"precision": "auto", "memory_format": "auto"}
    run_tiny(discs, tmp_path / "whole", **how)
    at_step(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "run", **how)
    run = run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert measured == [4, 4]
    assert same_runs(run.folder, tmp_path / "whole")
    assert run.network().precision == "bfloat16"
