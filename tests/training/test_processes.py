"""Two processes learn what one does with twice the batch, stop together, and resume to the same bits."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from tiny import at_step, run_tiny, same_runs, saved_step, write_discs
from together import Killed, together
from torch import nn

from intarsia.cli.main import main
from intarsia.data import generator_for
from intarsia.errors import ArgumentError, DataError, EndedElsewhere, Interrupted, RunError
from intarsia.training import identity, processes, tasks
from intarsia.training.loading import AugmentedSamples
from intarsia.training.loop import Loop

IMAGES = {"photos": 42, "few": 6}  # a ninth of them to validate
COMMON: dict[str, Any] = {"crop_size": 64, "batch_size": 2, "optimiser": "sgd", "learning_rate": 0.001}
HEADS: dict[str, Any] = {
    "model": "bisenet",
    "options": {"channels": 16, "spatial_channels": (8, 8, 16)},
    "auxiliary": True,
    "refiner": "cspn",
    "refiner_options": {"steps": 4},
}
OPTIONS: dict[str, Any] = {
    "accumulate": 2,
    "clip": 1.0,
    "ema": 0.9,
    "precise_batch_norm": 2,
    "class_weights": "inverse",
    "image_weights": "rarity",
    "class_crops": 0.5,
    "stages": [{"steps": 4}, {"steps": 2, "freeze_batch_norm": True, "optimiser": "continue", "hard_classes": "auto"}],
}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # data, recipe, and what one process does instead
    "20 steps": ("photos", {"steps": 20}, {"batch_size": 4}),
    "each alone": ("photos", {"steps": 2, "norm_statistics": "process"}, {"batch_size": 4}),
    "two passes": ("photos", {"steps": 4, "batch_size": 1, "accumulate": 2}, {"batch_size": 2}),
    "uneven": ("few", {"epochs": 2, "batch_size": 4}, {"batch_size": 8}),
    "heads": ("photos", {"steps": 2, **HEADS}, {"batch_size": 4}),
    "pairs": ("few", {"epochs": 2, "loss": "cross_entropy+aaf"}, {"batch_size": 4}),
    "images": ("photos", {"steps": 2, "loss": "ohem+dice+lovasz", "average": "images"}, {"batch_size": 4}),
    "options": ("photos", {**OPTIONS, "batch_size": 1, "loss": "focal"}, {"batch_size": 2}),
}

SHORT = {**COMMON, **OPTIONS, "batch_size": 1, "loss": "ohem+aaf"}  # all options at once: two stages of 4 and 2 steps


class Record:
    """Watches a training: its losses, the matrices of its validations, and what it has learned."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.losses: list[float] = []
        self.matrices: list[np.ndarray] = []
        self.learned: dict[str, torch.Tensor] = {}
        step, scores = Loop.step, Loop._scores

        def watched_step(loop: Loop, state: Any, *arguments: Any) -> Any:
            outcome = step(loop, state, *arguments)
            self.losses.append(outcome[0])
            self.learned = {**state.net.state_dict(), **state.objective.state_dict(prefix="objective.")}
            return outcome

        def watched_scores(loop: Loop, net: nn.Module) -> Any:
            found = scores(loop, net)
            self.matrices.append(found.matrix)
            return found

        patch.setattr(Loop, "step", watched_step)
        patch.setattr(Loop, "_scores", watched_scores)


def trained(data: Path, out: Path, **more: Any) -> Record:
    with pytest.MonkeyPatch.context() as patch:
        record = Record(patch)
        run_tiny(data, out, **{**COMMON, **more})
        return record


def all_cases(rank: int, folder: Path) -> dict[str, Record]:
    del rank  # the launcher's variables say it, too
    return {name: trained(folder / data, folder / name, **recipe) for name, (data, recipe, _) in CASES.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    for name, count in IMAGES.items():
        write_discs(folder / name, count)
    for path in sorted((folder / "photos" / "masks").iterdir())[::3]:  # so that a class is rare
        Image.fromarray(np.zeros_like(Image.open(path))).save(path)
    return folder


@pytest.fixture(scope="module")
def both(folder: Path) -> list[Any]:
    return together(all_cases, folder)


@pytest.fixture(scope="module")
def alone(folder: Path) -> Callable[[str], Record]:
    kept: dict[str, Record] = {}

    def find(name: str) -> Record:
        data, recipe, instead = CASES[name]
        recipe = {**recipe, **instead}
        key = repr((data, sorted(recipe.items(), key=str)))
        if key not in kept:
            kept[key] = trained(folder / data, folder / f"{name} alone", **recipe)
        return kept[key]

    return find


@pytest.mark.parametrize("name", ["20 steps", "two passes", "uneven", "heads", "images", "options"])
def test_two_processes_learn_what_one_does_with_twice_the_batch(
    name: str, both: list[Any], alone: Callable[[str], Record]
) -> None:
    expected = alone(name)
    for record in (process[name] for process in both):
        torch.testing.assert_close(record.losses, expected.losses, rtol=1e-5, atol=0)
        assert np.array_equal(record.matrices, expected.matrices), "the same pixels are counted as the same classes"


def test_twenty_steps_are_twenty(both: list[Any]) -> None:
    assert len(both[0]["20 steps"].losses) == 20


def test_without_synchronised_statistics_it_is_another_training(both: list[Any], folder: Path) -> None:
    """So that the agreement above is not a coincidence."""
    same, other = both[0]["20 steps"].losses, both[0]["each alone"].losses
    assert max(abs(a / b - 1) for a, b in zip(same, other, strict=False)) > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_processes_do_not_drift_apart(name: str, both: list[Any]) -> None:
    """Weights, and what the loss learns, stay the same bits; statistics of their own are evened out."""
    first, second = (process[name] for process in both)
    assert first.losses == second.losses
    assert np.array_equal(first.matrices, second.matrices)
    assert [key for key, value in first.learned.items() if not torch.equal(value, second.learned[key])] == []


def spoiled(rank: int, folder: Path) -> dict[str, Any]:
    """What each process says and raises where one of them fails, and the run that goes on."""
    found: dict[str, Any] = {}
    data, short = folder / "photos", SHORT

    def attempt(name: str, act: Callable[[pytest.MonkeyPatch], Any]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            try:
                found[name] = act(patch)
            except BaseException as error:
                found[name] = error

    def failing(patch: pytest.MonkeyPatch, owner: Any, method: str, error: BaseException, calls: int = 0) -> None:
        """From so many calls on, in the second process alone."""
        real, counted = getattr(owner, method), []

        def fail(*arguments: Any) -> Any:
            counted.append(1)
            if rank == 1 and len(counted) > calls:
                raise error
            return real(*arguments)

        patch.setattr(owner, method, fail)

    def refused_image(patch: pytest.MonkeyPatch) -> tuple[int, str]:
        failing(patch, AugmentedSamples, "__getitem__", DataError("`a.png` is broken; mend it."), calls=5)
        said = io.StringIO()
        patch.setattr(sys, "stderr", said)
        return main(f"train {data} --out {folder / 'broken'} {ARGUMENTS}".split()), said.getvalue()

    def validation(patch: pytest.MonkeyPatch) -> None:
        failing(patch, tasks, "evaluate_samples", DataError("`b.png` is broken."))
        run_tiny(data, folder / "unvalidated", **short)

    def other_data(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(identity, "fingerprint", lambda *_: f"{rank} images")
        run_tiny(data, folder / "other data", **short)

    def interrupted(patch: pytest.MonkeyPatch) -> None:
        failing(patch, Loop, "step", KeyboardInterrupt(), calls=99)
        taken = at_step(patch, 3 if rank == 1 else 99, lambda: signal.raise_signal(signal.SIGINT))
        run_tiny(data, folder / "interrupted", **short)
        found["taken"] = taken

    attempt("refused image", refused_image)
    attempt("validation", validation)
    attempt("other data", other_data)
    attempt("too few", lambda _: run_tiny(folder / "few", folder / "too few", **{**short, "accumulate": 8}))
    attempt("unwritable", lambda _: processes.everywhere(lambda: rank and unpicklable()))
    attempt("whole", lambda _: run_tiny(data, folder / "whole", **short) and None)
    attempt("interrupted", interrupted)
    found["saved"] = saved_step(folder / "interrupted")
    attempt("resumed", lambda _: run_tiny(data, folder / "interrupted", resume=True, **short) and None)
    processes.seed_step(0, 5)
    return found | {"draws": torch.rand(3)}


def unpicklable() -> None:
    class Odd(Exception):
        """Known in this function alone."""

    raise Odd("strange")


ARGUMENTS = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 3 --batch-size 2
    --crop-size 48 --precision float32 --memory-format contiguous
"""


@pytest.fixture(scope="module")
def failed(folder: Path) -> list[dict[str, Any]]:
    return together(spoiled, folder)


def test_an_image_that_one_process_cannot_read_ends_all_with_one_sentence(failed: list[dict[str, Any]]) -> None:
    statuses, said = zip(*(process["refused image"] for process in failed), strict=True)
    assert statuses == (1, 1)
    sentences = [line for text in said for line in text.splitlines() if line.startswith("intarsia: ")]
    assert sentences == ["intarsia: `a.png` is broken; mend it."]


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("validation", DataError, "`b.png` is broken"),
        (
            "other data",
            DataError,
            r"is not the same for all processes \(0 images for process 0, 1 images for process 1\)",
        ),
        ("too few", ArgumentError, "8 passes a step in each of 2 processes need 16 training images; `few` has fewer"),
        ("interrupted", Interrupted, "Stopped at step 3 of 6; everything is saved"),
    ],
)
def test_an_error_in_one_ends_all(
    name: str, kind: type[Exception], sentence: str, failed: list[dict[str, Any]]
) -> None:
    """One process raises it, whichever comes first; the other says that it follows."""
    errors = sorted((process[name] for process in failed), key=lambda error: isinstance(error, EndedElsewhere))
    with pytest.raises(kind, match=sentence):
        raise errors[0]
    with pytest.raises(EndedElsewhere, match=r"Process [01] ends with another one, which says why\."):
        raise errors[1]


def test_an_error_that_cannot_travel_is_told_in_words(failed: list[dict[str, Any]]) -> None:
    for process in failed:
        with pytest.raises(RuntimeError, match="Odd: strange"):
            raise process["unwritable"]


def test_interrupted_and_resumed_it_is_the_same_run(failed: list[dict[str, Any]], folder: Path) -> None:
    assert failed[0]["saved"] == 3
    assert [process["resumed"] for process in failed] == [None, None]
    assert same_runs(folder / "whole", folder / "interrupted")


def test_each_process_draws_its_own_numbers(failed: list[dict[str, Any]]) -> None:
    first, second = (process["draws"] for process in failed)
    assert not torch.equal(first, second)
    torch.manual_seed(int(generator_for(0, 5, 1).integers(2**62)))
    assert torch.equal(second, torch.rand(3))


def killed(rank: int, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 5 if rank == 1 else 99, lambda: os.kill(os.getpid(), signal.SIGKILL))
        run_tiny(folder / "photos", folder / "killed", **SHORT, checkpoint_minutes=0)


def resumed(rank: int, folder: Path) -> None:
    del rank
    run_tiny(folder / "photos", folder / "killed", **SHORT, resume=True)


def test_a_process_that_is_killed_leaves_a_run_that_resumes(failed: list[dict[str, Any]], folder: Path) -> None:
    del failed  # it left the whole run
    survivor, dead = together(killed, folder)
    assert isinstance(dead, Killed)
    with pytest.raises(RunError, match=r"Another of the 2 processes was killed, .* keeps the last saved state for"):
        raise survivor
    assert saved_step(folder / "killed") in (4, 5), "as far as the other one came"
    assert together(resumed, folder) == [None, None]
    assert same_runs(folder / "whole", folder / "killed")
    with pytest.raises(RunError, match="was saved by a training in 2 processes, and now there are 1: its steps"):
        run_tiny(folder / "photos", folder / "killed", **SHORT, resume=True)


def test_before_processes_found_each_other_the_first_on_a_machine_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank, kind in (("0", RunError), ("1", EndedElsewhere)):
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(kind), processes.one_voice():
            raise RunError("the same in all")


def test_where_the_store_is_gone_everybody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise dist.DistNetworkError("Connection refused")

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist.distributed_c10d, "_get_default_store", gone)
    with pytest.raises(RunError, match="the first process was killed"), processes.one_voice():
        raise RunError("the first process was killed")


def test_a_mistake_in_the_words_of_a_command_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "intarsia.training")
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert main(["train"]) == 1
        said.append(capsys.readouterr().err)
    assert "Say what to train on" in said[0]
    assert said[1] == ""
