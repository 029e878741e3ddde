"""Whose folder it is: one training at a time, the same data, and a way on from every stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import TINY, run_tiny

from intarsia.cli.main import main
from intarsia.errors import ArgumentError, Interrupted, RunError
from intarsia.models import create_model
from intarsia.runs import Run
from intarsia.training import loop
from intarsia.training.folder import held


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training stops after its second step, until the patch is undone."""
    taken, real = [], loop.Loop.step

    def step(self: loop.Loop, *arguments: Any) -> float:
        rate = real(self, *arguments)
        taken.append(1)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGINT)
        return rate

    monkeypatch.setattr(loop.Loop, "step", step)


def test_one_training_at_a_time(discs: Path, tmp_path: Path) -> None:
    with held(Run(tmp_path / "run")), pytest.raises(RunError, match="Another training is writing to"):
        run_tiny(discs, tmp_path / "run")
    run_tiny(discs, tmp_path / "run", epochs=1)


def test_a_run_stopped_before_its_first_checkpoint_may_be_begun_again(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lower the learning rate"):
        run_tiny(discs, tmp_path / "run", optimiser="sgd", learning_rate=1e30)
    run = run_tiny(discs, tmp_path / "run", epochs=1)
    assert len(run.history()) == 1


def test_a_run_killed_in_its_first_file_may_be_begun_again(discs: Path, tmp_path: Path) -> None:
    left = tmp_path / "run" / ".recipe.partial-0123456789ab.json"
    left.parent.mkdir()
    left.touch()
    run_tiny(discs, tmp_path / "run", epochs=1)
    assert not left.exists()


def test_a_file_is_no_folder(discs: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunError, match="is a file; choose another --out"):
        run_tiny(discs, tmp_path / "run")


@pytest.mark.usefixtures("interrupted")
def test_changed_data_are_noticed(discs: Path, tmp_path: Path) -> None:
    photos = copytree(discs, tmp_path / "photos")
    with pytest.raises(Interrupted):
        run_tiny(photos, tmp_path / "run")
    for part in ("images", "masks"):
        copy(photos / part / "disc_0.png", photos / part / "disc_9.png")
    with pytest.raises(RunError, match=r"The data have changed .*8 images .* then, 9 images .* now"):
        run_tiny(photos, tmp_path / "run", resume=True)


@pytest.mark.usefixtures("interrupted")
def test_a_resumed_run_needs_neither_the_first_weights_nor_their_normalisation(discs: Path, tmp_path: Path) -> None:
    save_file(create_model("unet", "test_resnet").backbone.body.state_dict(), tmp_path / "first.safetensors")
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "run", backbone_weights=str(tmp_path / "first.safetensors"))
    (tmp_path / "first.safetensors").unlink()
    run = run_tiny(discs, tmp_path / "run", backbone_weights=str(tmp_path / "first.safetensors"), resume=True)
    assert run.network().weights_source.endswith("first.safetensors")
    assert len(run.history()) == TINY["epochs"]


@pytest.mark.usefixtures("interrupted")
def test_resume_takes_the_data_from_the_run_or_in_another_spelling(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "run")
    copytree(tmp_path / "run", tmp_path / "twin")
    assert main(["train", "--resume", "--out", str(tmp_path / "run")]) == 0
    monkeypatch.chdir(discs.parent)
    assert main(["train", f"{discs.name}/", "--resume", "--out", str(tmp_path / "twin")]) == 0


def test_metrics_are_json_also_for_absent_classes(discs: Path, tmp_path: Path) -> None:
    photos = copytree(discs, tmp_path / "photos")
    (photos / "classes.json").write_text('[{"name": "ground"}, {"name": "disc"}, {"name": "never"}]')
    run = run_tiny(photos, tmp_path / "run", epochs=1)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    (line,) = run.metrics_path.read_text().splitlines()
    assert json.loads(line, parse_constant=refuse)["per_class_iou"]["never"] is None


def test_what_cannot_be_trained(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\(=16\) at output stride 32 leaves batch norm a single value"):
        run_tiny(discs, tmp_path / "run", batch_size=1, crop_size=16)
    photos = copytree(discs, tmp_path / "photos")
    (photos / "classes.json").write_text('{"encoding": "index", "classes": [{"name": "ground"}]}')
    for path in (photos / "masks").iterdir():
        Image.new("L", (40, 40)).save(path)
    with pytest.raises(ArgumentError, match="has one class only, `ground`"):
        run_tiny(photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_accelerates_environment_changes_nothing(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    run = run_tiny(discs, tmp_path / "run")
    ours, theirs = load_file(run.weights_path), load_file(disc_run / "weights.safetensors")
    assert all((ours[name] == theirs[name]).all() for name in theirs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_on_a_terminal_saves_also_with_workers(discs: Path, tmp_path: Path) -> None:
    """A terminal sends the signal to every process of the group, the workers included."""
    options = """
        --workers 2 --epochs 2000 --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained
        --batch-size 2 --crop-size 32 --precision float32 --memory-format contiguous
    """
    command = [sys.executable, "-m", "intarsia", "train", str(discs), "--out", str(tmp_path / "run"), *options.split()]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not (tmp_path / "run" / "metrics.jsonl").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "everything is saved" in said
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
