"""TensorBoard's events: each step once, also after a run was killed and resumed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import at_step, run_tiny, same_runs

from intarsia.errors import MissingPackageError
from intarsia.runs import Run
from intarsia.training.progress import EpochReport, StepReport
from intarsia.training.schedule import polynomial
from intarsia.training.tensorboard import TensorBoard

pytest.importorskip("tensorboard")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tensorboard's own


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_a_killed_and_resumed_run_holds_each_step_once(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    at_step(monkeypatch, 6, die)  # five steps and an epoch were told, three steps are saved
    with pytest.raises(KeyboardInterrupt):
        run_tiny(discs, tmp_path / "run", tensorboard=True)
    run = run_tiny(discs, tmp_path / "run", tensorboard=True, resume=True)
    assert same_runs(run.folder, disc_run), "it changes no bit"
    assert [step for step, _ in points(run.tensorboard_path, "training/loss")] == [1, 2, 3, 4, 5, 6]
    rates = [rate for _, rate in points(run.tensorboard_path, "training/learning_rate")]
    assert rates == pytest.approx([polynomial(step, 6, 1e-3) for step in range(6)])
    losses = [loss for _, loss in points(run.tensorboard_path, "training/loss")]
    history = run.history()
    assert [np.mean(losses[:3]), np.mean(losses[3:])] == pytest.approx([epoch["loss"] for epoch in history])
    scores = points(run.tensorboard_path, "validation/mean_iou")
    assert scores == [(epoch["step"], pytest.approx(epoch["mean_iou"])) for epoch in history]
    assert points(run.tensorboard_path, "validation/iou/class 1")
    pictures = read(run.tensorboard_path).Images("validation/pictures")
    assert [picture.step for picture in pictures] == [3, 6]
    with Image.open(run.picture_path(2)) as picture:
        assert (pictures[1].width, pictures[1].height) == picture.size


def test_classes_without_a_score_are_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "p.png", 0.0)
    by_class = {"a": 0.75, "b": 0.8, "never": float("nan")}
    scores = {"mean_iou": 0.775, "pixel_accuracy": 0.875, "per_class_iou": by_class}
    with TensorBoard(tmp_path / "events", 0) as board:
        board.say("Nothing of this is written.")
        board.step(StepReport(1, 9, 0.5, 0.6, 0.1, 20.0, 0.0))
        board.epoch(EpochReport(1, 3, 3, 0.5, scores, True, tmp_path / "p.png", 0.0))
    tags = read(tmp_path / "events").Tags()["scalars"]
    assert {"validation/iou/a", "validation/iou/b"} <= set(tags)
    assert "validation/iou/never" not in tags
    assert points(tmp_path / "events", "training/loss") == [(1, 0.5)]


def test_without_it_nothing_is_written(disc_run: Path) -> None:
    assert not Run(disc_run).tensorboard_path.exists()


def test_where_the_package_is_absent(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    monkeypatch.setattr("intarsia.training.tensorboard.find_spec", lambda name: None)
    with pytest.raises(
        MissingPackageError, match=r"TensorBoard needs the package `tensorboard`: pip install 'intarsia"
    ):
        run_tiny(discs, tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()
