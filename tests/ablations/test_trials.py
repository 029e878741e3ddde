"""Trials: done once, done again if they were stopped, in this process or in two, and stopped by Ctrl-C."""

import json
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intarsia.ablations import trials, workers
from intarsia.ablations.mosaics import Mosaics
from intarsia.ablations.trials import Trial, perform, prepare_data
from intarsia.ablations.variant import Variant
from intarsia.ablations.work import Result
from intarsia.ablations.workers import perform_all
from intarsia.errors import Interrupted, RunError
from intarsia.inference import load

SMALL = Mosaics(train=4, val=2, size=32)
TINY: dict[str, Any] = {"model": "fcn8s", "backbone": "test_resnet", "pretrained": False, "batch_size": 2}
VARIANT = Variant("tiny", TINY)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """For reading only."""
    trial = Trial(VARIANT, SMALL, 0, tmp_path_factory.mktemp("runs"))
    prepare_data(SMALL, trial.runs)
    perform(trial)
    return trial


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the trials that are trained, which takes no time here."""
    names: list[str] = []

    def instead(trial: Trial) -> Result:
        names.append(trial.name)
        return Result({"mean_iou": 0.5, "pixel_accuracy": 0.6}, loss=1.0, seconds=2.0)

    monkeypatch.setattr(trials, "_trained", instead)
    return names


def test_a_trial_keeps_its_scores_and_a_run_that_others_can_take(finished: Trial) -> None:
    result = finished.result()
    assert result is not None
    assert set(result.scores) == {"mean_iou", "pixel_accuracy"}
    assert load(finished.folder).classes.count == 8
    assert not list(finished.folder.glob("checkpoint*"))


def test_a_trial_is_a_pure_function_of_variant_and_seed(finished: Trial, tmp_path: Path) -> None:
    prepare_data(SMALL, tmp_path)
    again, other = (perform(Trial(VARIANT, SMALL, seed, tmp_path)) for seed in (0, 1))
    first = finished.result()
    assert first is not None
    assert (again.loss, again.scores) == (first.loss, first.scores)
    assert other.loss != first.loss


def test_what_is_finished_is_not_repeated(tmp_path: Path, trainings: list[str]) -> None:
    both = [Trial(VARIANT, SMALL, seed, tmp_path) for seed in (0, 1)]
    lines: list[str] = []
    perform_all(both[:1], 1, lines.append)
    perform_all(both, 1, lines.append)
    assert trainings == [trial.name for trial in both]
    assert lines[0] == "1 trainings, 0 of them done before."
    assert lines[2] == "2 trainings, 1 of them done before."
    assert lines[3].startswith("[1/1] fcn8s, tiny, seed 1: mean IoU 0.500, 2 s;")


@pytest.mark.parametrize("text", ["", "{", '{"scores": {"mean_iou": 0.5}}', "[]"])
def test_what_is_half_written_is_done_again(text: str, tmp_path: Path, trainings: list[str]) -> None:
    trial = Trial(VARIANT, SMALL, 0, tmp_path)
    trial.path.parent.mkdir()
    trial.path.write_text(text)
    assert trial.result() is None
    perform(trial)
    assert trainings == [trial.name]
    assert trial.result() is not None


def test_a_training_that_was_stopped_begins_anew(tmp_path: Path) -> None:
    trial = Trial(VARIANT, SMALL, 0, tmp_path)
    prepare_data(SMALL, tmp_path)
    trial.folder.mkdir(parents=True)
    (trial.folder / "recipe.json").write_text("half of")
    (trial.folder / "checkpoint.safetensors").write_text("an old run")
    assert perform(trial).loss > 0
    assert trial.result() is not None
    assert "half of" not in (trial.folder / "recipe.json").read_text()


def test_a_score_that_joins_later_needs_no_training(finished: Trial, tmp_path: Path, trainings: list[str]) -> None:
    later = replace(finished, variant=replace(VARIANT, scores=("mean_iou_at_2", "checkerboard")))
    kept = later.path.read_text()
    try:
        assert later.result() is None
        result = perform(later)
        assert trainings == []
        assert later.result() == result
        assert 0 <= result.scores["mean_iou_at_2"] <= 1
        assert result.scores["checkerboard"] > 0
    finally:
        later.path.write_text(kept)


def test_a_score_that_joins_after_the_weights_are_gone_trains_again(tmp_path: Path, trainings: list[str]) -> None:
    trial = Trial(VARIANT, SMALL, 0, tmp_path)
    perform(trial)
    with pytest.raises(RunError, match="There is no run"):  # the training here leaves none
        perform(replace(trial, variant=replace(VARIANT, scores=("mean_iou_at_2",))))
    assert len(trainings) == 2


def test_two_processes_give_what_one_gives(finished: Trial, tmp_path: Path) -> None:
    pair = [Trial(VARIANT, SMALL, seed, tmp_path) for seed in (0, 1)]
    prepare_data(SMALL, tmp_path)
    perform_all(pair, 2, lambda _: None)
    assert {trial.seed for trial in pair if trial.result()} == {0, 1}
    here = json.loads(finished.path.read_text())
    there = json.loads(pair[0].path.read_text())
    assert {**here, "seconds": 0} == {**there, "seconds": 0}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("Stopped at step 3.")])
def test_stopping_keeps_what_is_finished(
    error: BaseException, tmp_path: Path, trainings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [Trial(VARIANT, SMALL, seed, tmp_path) for seed in (0, 1)]
    real = trials.perform

    def stopped(trial: Trial) -> Result:
        if trial.seed == 1:
            raise error
        return real(trial)

    monkeypatch.setattr(trials, "perform", stopped)
    with pytest.raises(Interrupted, match="what is finished is kept, and the same command goes on"):
        perform_all(pair, 1, lambda _: None)
    assert [trial.result() is not None for trial in pair] == [True, False]


def test_a_killed_process_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> Iterator[tuple[Trial, Result]]:
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")
        yield

    monkeypatch.setattr(workers, "_performed", killed)
    with pytest.raises(RunError, match="A training process was killed, most likely for want of memory"):
        perform_all([Trial(VARIANT, SMALL, 0, tmp_path)], 2, lambda _: None)
