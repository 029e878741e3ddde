"""From a recipe to a run: it learns, it resumes to the same bits, it refuses in sentences."""

import signal
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import TINY, at_step, run_tiny, same_tensors

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, DataError, IntarsiaError, Interrupted, RunError
from intarsia.runs import Run, make_recipe
from intarsia.runs.refinement import Refinement
from intarsia.training import loop, train


def test_it_learns(discs: Path, tmp_path: Path) -> None:
    run = run_tiny(discs, tmp_path / "run", epochs=16, learning_rate=0.01, scale=(0.9, 1.1))
    history = run.history()
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert max(epoch["mean_iou"] for epoch in history) > 0.75


def test_better_weights_end_a_refinement_that_was_chosen_for_others(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Run(tmp_path / "run").refinement_path
    at_step(monkeypatch, 1, lambda: Refinement(CRFSettings()).write(path))
    run_tiny(discs, tmp_path / "run", epochs=1)
    assert not path.exists()


def test_the_same_recipe_gives_the_same_bits(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    run = run_tiny(discs, tmp_path / "again")
    assert same_tensors(run.checkpoint_path, disc_run / "checkpoint.safetensors")


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_ctrl_c_saves_and_resume_gives_the_same_bits(
    discs: Path, disc_run: Path, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, real = [], loop.Loop.step

    def step_then_interrupt(self: loop.Loop, *arguments: Any) -> float:
        rate = real(self, *arguments)
        taken.append(1)
        if len(taken) == stop_after:
            signal.raise_signal(signal.SIGINT)
        return rate

    monkeypatch.setattr(loop.Loop, "step", step_then_interrupt)
    with pytest.raises(Interrupted, match=f"Stopped at step {stop_after} of 6; everything is saved.*--resume"):
        run_tiny(discs, tmp_path / "run")
    run = run_tiny(discs, tmp_path / "run", resume=True)
    assert len(taken) == 6, "no step is replayed"
    assert same_tensors(run.checkpoint_path, disc_run / "checkpoint.safetensors")
    assert same_tensors(run.weights_path, disc_run / "weights.safetensors")
    histories = [[{**e, "seconds": 0, "waited": 0} for e in some.history()] for some in (run, Run(disc_run))]
    assert histories[0] == histories[1]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_resume_keeps_the_bits_in_channels_last(
    discs: Path, tmp_path: Path, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments once came back contiguous beside channels-last weights, and met the wrong ones."""
    how: dict[str, Any] = {"memory_format": "channels_last", "optimiser": optimiser}
    whole = run_tiny(discs, tmp_path / "whole", **how)
    taken, real = [], loop.Loop.step

    def step_then_interrupt(self: loop.Loop, *arguments: Any) -> float:
        rate = real(self, *arguments)
        taken.append(1)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGINT)
        return rate

    monkeypatch.setattr(loop.Loop, "step", step_then_interrupt)
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "run", **how)
    run = run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert same_tensors(run.checkpoint_path, whole.checkpoint_path)


def test_workers_change_nothing(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    run = run_tiny(discs, tmp_path / "run", workers=1)
    assert same_tensors(run.checkpoint_path, disc_run / "checkpoint.safetensors")


def test_auxiliary_sgd_and_more_classes(discs: Path, tmp_path: Path) -> None:
    photos = copytree(discs, tmp_path / "photos")
    for path in (photos / "masks").iterdir():
        mask = np.array(Image.open(path))
        mask[-1] = 4
        Image.fromarray(mask).save(path)
    run = run_tiny(photos, tmp_path / "run", auxiliary=True, optimiser="sgd", epochs=1)
    assert run.classes().names == ("class 0", "class 1", "unused 2", "unused 3", "class 4")
    assert run.network().auxiliary


def test_a_loss_that_is_no_number_keeps_the_last_epoch(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"The loss became .*lower the learning rate"):
        run_tiny(discs, tmp_path / "run", optimiser="sgd", learning_rate=1e30, epochs=3)


def test_a_damaged_image_is_named_also_by_a_worker(discs: Path, tmp_path: Path) -> None:
    photos = copytree(discs, tmp_path / "photos")
    for path in (photos / "images").iterdir():
        path.write_bytes(path.read_bytes()[:-500])
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"disc_\d.png` is truncated") as caught:
            run_tiny(photos, tmp_path / f"run{workers}", workers=workers, check=False)
        assert "Traceback" not in str(caught.value)


def test_a_run_is_never_overwritten(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="already holds a run; choose another --out, or go on with --resume"):
        run_tiny(discs, disc_run)
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(RunError, match="is not empty and not a run"):
        run_tiny(discs, tmp_path)


def test_resume_needs_a_checkpoint_and_the_same_recipe(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds nothing to resume"):
        run_tiny(discs, tmp_path / "none", resume=True)
    with pytest.raises(RunError, match="was begun with epochs=2, not 5"):
        run_tiny(discs, disc_run, resume=True, epochs=5)


def test_a_finished_run_resumes_to_itself(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    copy = copytree(disc_run, tmp_path / "copy")
    run_tiny(discs, copy, resume=True)
    assert same_tensors(copy / "checkpoint.safetensors", disc_run / "checkpoint.safetensors")


def test_recipe_or_keywords(discs: Path, tmp_path: Path) -> None:
    recipe = make_recipe(data=str(discs), **TINY)
    with pytest.raises(ArgumentError, match="either a recipe or its fields"):
        train(recipe, out=tmp_path / "run", epochs=3)


def test_nothing_is_left_behind_by_a_wrong_name(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(IntarsiaError, match="There is no backbone `resnet19`"):
        run_tiny(discs, tmp_path / "run", backbone="resnet19")
    assert not (tmp_path / "run").exists()


def test_data_are_looked_at_first_and_all_is_refused_at_once(discs: Path, tmp_path: Path) -> None:
    photos = Path(copytree(discs, tmp_path / "photos"))
    for name in ("disc_1.png", "disc_2.png"):
        (photos / "images" / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"disc_1.png` is truncated .* 1 more errors: `intarsia check"):
        run_tiny(photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "skip.txt").write_text("images/disc_1.png\nmasks/disc_2.png\n")
    run = run_tiny(photos, tmp_path / "run", skip=str(tmp_path / "skip.txt"), epochs=1)
    assert len(run.history()) == 1


def test_without_a_check_a_damaged_image_is_named_when_it_is_met(discs: Path, tmp_path: Path) -> None:
    photos = Path(copytree(discs, tmp_path / "photos"))
    for path in (photos / "images").iterdir():
        path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match="is truncated or not an image"):
        run_tiny(photos, tmp_path / "run", check=False, precision="auto")


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_run_does_not_go_on_with_other_pixels(discs: Path, tmp_path: Path, part: str) -> None:
    photos = Path(copytree(discs, tmp_path / "photos"))
    run = run_tiny(photos, tmp_path / "run", epochs=1)
    path = photos / part / "disc_0.png"
    with Image.open(path) as picture:
        turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(path)
    with pytest.raises(RunError, match="The data have changed since"):
        run_tiny(photos, run.folder, epochs=1, resume=True)


def test_a_run_without_its_checkpoint_is_not_overwritten(disc_run: Path, discs: Path, tmp_path: Path) -> None:
    copy = Path(copytree(disc_run, tmp_path / "copy"))
    (copy / "checkpoint.safetensors").unlink()
    with pytest.raises(RunError, match="already holds a run, without its checkpoint; choose another --out"):
        run_tiny(discs, copy)
    with pytest.raises(RunError, match=r"checkpoint.safetensors` is missing, so that the run cannot go on"):
        run_tiny(discs, copy, resume=True)
