"""A dry run says what would happen, and leaves no trace."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny import TINY, at_step

from intarsia.cli.main import main
from intarsia.errors import ArgumentError, IntarsiaWarning, RunError
from intarsia.runs import make_conduct, make_recipe
from intarsia.training import preparation, rehearse, tasks
from intarsia.training.loading import AugmentedSamples
from intarsia.training.rehearsal import duration

TINY_ARGUMENTS = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --batch-size 2 --crop-size 32
    --epochs 7 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


def test_the_command_says_it_all_and_writes_nothing(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(discs.rglob("*"))
    monkeypatch.chdir(tmp_path)
    taken = at_step(monkeypatch, 0, lambda: None)
    assert main(["train", str(discs), "--dry-run", *TINY_ARGUMENTS]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for part in (
        "photos: images/ + masks/",
        "images: 7 train, 1 val; 2 classes",
        "unet on test_resnet at output stride 32, 0.4 M parameters, backbone weights: scratch; float32, contiguous",
        "7 epochs of 3 steps, 21 steps in all; a step takes 2 images of 32 × 32 pixels.",
        "This was a dry run: nothing was written.",
    ):
        assert part in said.out
    assert re.search(r"Time: \S+ s a step, \S+ s a validation, \S+ s an epoch, \S+ s in all\.", said.out)
    assert re.search(r"Loading takes \S+ % of the time|Waiting for data: \S+ % of a step\.", said.out)
    assert re.search(r"Memory: \d+\.\d\d GiB at most on cpu\.", said.out)
    assert len(taken) == 11
    assert not list(tmp_path.iterdir())
    assert sorted(discs.rglob("*")) == before


def test_what_is_measured_is_what_takes_the_time(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only steps, validated images and loaded ones move."""
    clock, real_step, real_validate = [0.0], tasks.SegmentationTask.loss, tasks.evaluate_samples
    real_load = AugmentedSamples.__getitem__

    def step(*arguments: Any) -> Any:
        clock[0] += 3 if clock[0] else 1000  # the first is slow
        return real_step(*arguments)

    def validate(segmenter: Any, samples: Any) -> Any:
        clock[0] += 5 * len(samples)
        return real_validate(segmenter, samples)

    def load(*arguments: Any) -> Any:
        clock[0] += 0.5
        return real_load(*arguments)

    monkeypatch.setattr(AugmentedSamples, "__getitem__", load)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(tasks.SegmentationTask, "loss", step)
    monkeypatch.setattr(tasks, "evaluate_samples", validate)
    found = rehearse(make_recipe(data=str(discs), **TINY), out=tmp_path / "run")
    assert found.step_seconds == pytest.approx(4), "two images are loaded for each"
    assert found.waited == pytest.approx(1 / 4)
    assert "Loading takes 25 % of the time" in found.text()
    assert found.validation_seconds == pytest.approx(5 * (1 + 1)), "one image validated, and pictured"
    assert found.epoch_seconds == pytest.approx(3 * 4 + 10)
    assert "22 s an epoch, 44 s in all" in found.text()
    whole = replace(found, epochs=2, steps_per_epoch=3, steps=6)
    assert "2 epochs of 3 steps, 6 steps in all" in whole.text()
    assert "2 epochs of at most 3 steps, 2 steps in all" in replace(whole, steps=2).text()
    assert found.peak_bytes > 2**26


def test_memory_that_runs_out_is_told(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tasks.SegmentationTask.loss

    def loss(self: Any, outputs: Any, masks: Any) -> Any:
        if len(masks) > 1:
            raise MemoryError
        return real(self, outputs, masks)

    monkeypatch.setattr(tasks.SegmentationTask, "loss", loss)
    recipe = make_recipe(data=str(discs), **{**TINY, "crop_size": 48})
    with pytest.raises(RunError, match=r"at step 1 with 2 images at once; go on with --on-oom halve"):
        rehearse(recipe, out=tmp_path / "run")
    with pytest.warns(IntarsiaWarning, match="takes its 2 images in 2 parts"):
        found = rehearse(recipe, out=tmp_path / "run", conduct=make_conduct(on_oom="halve"))
    assert "48 × 48 pixels, in 2 parts." in found.text()
    assert not (tmp_path / "run").exists()


def test_with_workers_it_ends_too(discs: Path, tmp_path: Path) -> None:
    found = rehearse(make_recipe(data=str(discs), workers=1, **TINY), out=tmp_path / "run")
    assert "beside 1 loading processes" in found.text()


def test_what_train_refuses_is_refused(
    discs: Path, disc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(data=str(discs), **TINY)
    with pytest.raises(RunError, match="already holds a run"):
        rehearse(recipe, out=disc_run)
    with pytest.raises(ArgumentError, match="leaves batch norm a single value"):
        rehearse(recipe.model_copy(update={"batch_size": 1}), out=tmp_path / "run")
    assert main(["train", str(discs), "--dry-run", "--resume"]) == 1
    assert "leave `--resume` out" in capsys.readouterr().err
    real = preparation.prepare
    many = SimpleNamespace(accelerator=SimpleNamespace(num_processes=2))
    monkeypatch.setattr("intarsia.training.rehearsal.prepare", lambda *arguments: real(*arguments) and many)
    with pytest.raises(ArgumentError, match="A dry run takes one process, not 2; start it without torchrun"):
        rehearse(recipe, out=tmp_path / "run")


def test_durations_are_for_people() -> None:
    seconds = [0.00123, 9.4, 59.9, 59.96, 3599.6, 3600, 90061]
    assert [duration(s) for s in seconds] == [
        "0.0012 s", "9.4 s", "60 s", "1 min 00 s", "1 h 00 min", "1 h 00 min", "25 h 01 min",
    ]  # fmt: skip
