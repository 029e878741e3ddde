"""What the machine refuses ends in one sentence, and the run goes on from there to the same bits."""

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tiny import at_step, run_tiny, same_runs, saved_step

from intarsia.errors import ArgumentError, DataError, IntarsiaWarning, Interrupted, RunError
from intarsia.runs import Run, make_conduct, make_recipe
from intarsia.training import precision, preparation
from intarsia.training.belonging import check_halving
from intarsia.training.mishaps import told
from intarsia.training.progress import Silent
from intarsia.training.tasks import SegmentationTask

ROOM_FOR_HALVES = {"crop_size": 48}  # above the output stride: batch norm can train on one image
IN_HALVES = "Memory ran out at step 4 with 2 images at once; each step now takes its 2 images in 2 parts, one image"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine where a step finds room for ``memory.room`` images."""
    memory, real = SimpleNamespace(room=99), SegmentationTask.loss

    def loss(self: SegmentationTask, outputs: Any, masks: torch.Tensor) -> Any:
        if len(masks) > memory.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, outputs, masks)

    monkeypatch.setattr(SegmentationTask, "loss", loss)
    return memory


def test_halves_survive_a_stop_and_a_resume(
    discs: Path, tmp_path: Path, memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shrink_after_three_steps() -> None:
        memory.room = 99
        at_step(monkeypatch, 3, lambda: setattr(memory, "room", 1))

    shrink_after_three_steps()
    with pytest.warns(IntarsiaWarning, match=IN_HALVES):
        run_tiny(discs, tmp_path / "whole", on_oom="halve", **ROOM_FOR_HALVES)

    shrink_after_three_steps()
    with pytest.raises(RunError, match=r"at step 4 with 2 images at once; go on with --on-oom halve.*keeps the last"):
        run_tiny(discs, tmp_path / "stopped", **ROOM_FOR_HALVES)
    assert saved_step(tmp_path / "stopped") == 3
    with pytest.warns(IntarsiaWarning, match=IN_HALVES):
        run_tiny(discs, tmp_path / "stopped", resume=True, on_oom="halve", **ROOM_FOR_HALVES)
    assert same_runs(tmp_path / "whole", tmp_path / "stopped")

    shrink_after_three_steps()
    at_step(monkeypatch, 4, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted), pytest.warns(IntarsiaWarning, match=IN_HALVES):
        run_tiny(discs, tmp_path / "interrupted", on_oom="halve", **ROOM_FOR_HALVES)
    memory.room = 99  # the state remembers the halves, which batch norm has seen
    run_tiny(discs, tmp_path / "interrupted", resume=True, **ROOM_FOR_HALVES)
    assert same_runs(tmp_path / "whole", tmp_path / "interrupted")


def test_out_of_memory_at_the_first_step_leaves_the_folder_free(
    discs: Path, tmp_path: Path, memory: SimpleNamespace
) -> None:
    memory.room = 0
    with pytest.raises(RunError, match=r"ran out at step 1 .* or take a smaller --batch-size or --crop-size\.$"):
        run_tiny(discs, tmp_path / "run")
    memory.room = 99
    run_tiny(discs, tmp_path / "run", epochs=1)


def test_measuring_takes_as_many_images_as_fit(
    discs: Path, tmp_path: Path, memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = [], precision.fastest

    def fastest(options: Any, net: Any, images: torch.Tensor, loss: Any) -> Any:
        seen.append(len(images))
        return real(options, net, images, loss)

    monkeypatch.setattr(precision, "fastest", fastest)
    memory.room = 3
    with pytest.warns(IntarsiaWarning, match="ran out at step 1 with 6 images at once"):
        run_tiny(discs, tmp_path / "run", epochs=1, batch_size=6, memory_format="auto", on_oom="halve")
    assert seen == [6, 3]
    memory.room = 0
    with pytest.raises(RunError, match="Memory ran out; take smaller images, a smaller --batch-size"):
        run_tiny(discs, tmp_path / "none", memory_format="auto", on_oom="halve")


def test_processes_cannot_halve(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "create_accelerator", lambda: SimpleNamespace(num_processes=2))
    with pytest.raises(ArgumentError, match=r"`on_oom` \(='halve'\) works in one process, not in 2"):
        preparation.prepare(make_recipe(data=str(discs)), make_conduct(on_oom="halve"), Silent())


def test_hard_pixels_of_a_whole_batch_cannot_be_chosen_by_halves(discs: Path) -> None:
    with pytest.raises(ArgumentError, match=r"`on_oom` \(='halve'\) cannot go with `loss` \(='ohem'\)"):
        preparation.prepare(make_recipe(data=str(discs), loss="ohem"), make_conduct(on_oom="halve"), Silent())


def test_those_of_each_image_can_and_pairs_never() -> None:
    check_halving(make_recipe(data="photos", loss="ohem+dice+lovasz", average="images"), 1)
    with pytest.raises(ArgumentError, match=r"lovasz sorts .* take `average` 'images', or 'stop' and a smaller batch"):
        check_halving(make_recipe(data="photos", loss="cross_entropy+lovasz"), 1)
    with pytest.raises(ArgumentError, match=r"aaf takes its means .*; take 'stop' and a smaller batch_size\."):
        check_halving(make_recipe(data="photos", loss="cross_entropy+aaf", average="images"), 1)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"on_oom": "pray"}, "`on_oom` .='pray'.: input should be 'stop' or 'halve'"), ({"checkpoint_minutes": -1}, "-1")],
)
def test_conduct_is_checked_before_anything(discs: Path, tmp_path: Path, values: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        run_tiny(discs, tmp_path / "run", **values)
    assert not (tmp_path / "run").exists()


def small_files_only(folder: Path, size: int) -> Callable[[], None]:
    """No file may grow beyond ``size``; returns what lifts that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_disk(folder: Path, left: int) -> Callable[[], None]:
    """The disk of ``folder`` has ``left`` bytes; returns what makes room again."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast.write_bytes(bytes(free - left))
    return ballast.unlink


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], capture_output=True).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("room", [0, 200_000])  # for no picture, and for a picture but not for weights
@pytest.mark.parametrize(
    ("place", "fill", "reason"),
    [("tmp_path", small_files_only, "files may not grow"), ("small_disk", full_disk, "the disk is full")],
)
def test_a_full_disk_keeps_the_last_state(
    discs: Path,
    disc_run: Path,
    place: str,
    fill: Any,
    reason: str,
    room: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, lift = request.getfixturevalue(place), []
    at_step(monkeypatch, 4, lambda: lift.append(fill(folder, room)))
    try:
        with pytest.raises(
            RunError, match=rf"run` cannot be written: {reason}; make room. .*run` keeps the last saved"
        ):
            run_tiny(discs, folder / "run")
    finally:
        lift[0]()
    assert saved_step(folder / "run") == 3
    run_tiny(discs, folder / "run", resume=True)
    assert same_runs(folder / "run", disc_run)


def test_a_loading_process_that_dies(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_the_workers() -> None:
        for worker in multiprocessing.active_children():
            assert worker.pid
            os.kill(worker.pid, signal.SIGKILL)

    at_step(monkeypatch, 2, kill_the_workers)
    with pytest.raises(
        RunError, match=r"loading process died \(killed by SIGKILL\); go on with fewer --workers.* keeps the"
    ):
        run_tiny(discs, tmp_path / "run", workers=1)
    assert 2 <= saved_step(tmp_path / "run") < 6
    run_tiny(discs, tmp_path / "run", resume=True, workers=0)
    assert same_runs(tmp_path / "run", disc_run)


def test_a_damaged_image_keeps_the_steps_before_it(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = copytree(discs, tmp_path / "photos")
    at_step(monkeypatch, 4, lambda: [path.write_bytes(b"") for path in (photos / "images").iterdir()])  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="disc_"):
        run_tiny(photos, tmp_path / "run")
    assert saved_step(tmp_path / "run") == 4
    copytree(discs, photos, dirs_exist_ok=True)
    run_tiny(photos, tmp_path / "run", resume=True)
    assert same_runs(tmp_path / "run", disc_run)


@pytest.mark.parametrize(("spoilt", "minutes", "kept"), [(5, 0, 4), (6, 10, 3)])
def test_weights_that_are_no_numbers_replace_none(
    discs: Path, tmp_path: Path, spoilt: int, minutes: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intarsia.training import loop

    real = loop.Loop.step

    def step(self: loop.Loop, state: Any, *arguments: Any) -> Any:
        outcome = real(self, state, *arguments)
        if state.step == spoilt:
            next(state.net.parameters()).data[0] = float("nan")
        return outcome

    monkeypatch.setattr(loop.Loop, "step", step)
    with pytest.raises(RunError, match=rf"no longer finite after step {spoilt}; lower the learning rate .*keeps"):
        run_tiny(discs, tmp_path / "run", checkpoint_minutes=minutes)
    assert saved_step(tmp_path / "run") == kept
    assert len(Run(tmp_path / "run").history()) == 1
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / "run" / "weights.safetensors").values())


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOENT, "No such file"), RuntimeError("shapes differ"), SafetensorError("header"), DataError("x")],
)
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, told(Run(tmp_path)):
        raise error
    assert caught.value is error
