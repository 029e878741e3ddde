"""Which weights are best by which score, and when a stage has waited long enough for better ones."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from tiny import run_tiny, same_runs, same_tensors

from intarsia.data.samples.materials import materials
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.runs import make_recipe
from intarsia.training import loop, preparation
from intarsia.training.selection import check_best_by, judged, note, told_best
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask


class Task:
    """Scores that are said."""

    def score(self, scores: float) -> float:
        return scores

    def figures(self, scores: float) -> dict[str, Any]:
        return {"mean_iou": scores, "pixel_accuracy": scores / 2, "per_class_iou": {"a:b": scores / 4}}

    def told(self, score: float) -> str:
        return f"mean IoU {score}"


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("best_by", "value", "sentence"),
    [
        (None, 0.8, "mean IoU 0.8"),
        ("mean_iou", 0.8, "mean_iou 0.8000"),
        ("pixel_accuracy", 0.4, "pixel_accuracy 0.4000"),
        ("iou:a:b", 0.2, "iou:a:b 0.2000"),
        ("loss", -3.0, "loss 3.0000"),
    ],
)
def test_larger_is_better(best_by: str | None, value: float, sentence: str) -> None:
    recipe, task = make_recipe(data="x", best_by=best_by), Task()
    assert judged(recipe, task, 0.8, loss=3.0) == value  # pyright: ignore[reportArgumentType]
    assert told_best(recipe, task, value) == sentence  # pyright: ignore[reportArgumentType]


def test_the_first_is_best_and_what_is_no_number_never_hides_a_better_one() -> None:
    import torch

    net = torch.nn.Linear(1, 1)
    state = TrainingState(net, torch.optim.SGD(net.parameters(), lr=1))
    outcomes = [(note(state, score), state.waited) for score in (math.nan, math.nan, -3.0, -4.0, math.nan, -3.0, -2.0)]
    assert outcomes[:2] == [(True, 1), (False, 2)], "patience ends a stage that has no scores"
    assert outcomes[2:] == [(True, 0), (False, 1), (False, 2), (False, 3), (True, 0)]
    assert state.best_score == -2.0


def test_patience_ends_a_stage_and_the_next_goes_on(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.6, 0.6, 0.1, 0.2])
    monkeypatch.setattr(SegmentationTask, "score", lambda *_: next(scores))
    how: dict[str, Any] = {"patience": 1, "stages": [{"epochs": 9}, {"epochs": 2}]}
    run = run_tiny(discs, tmp_path / "run", **how)
    assert [(line["stage"], line["epoch"]) for line in run.history()] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]
    best, last = load_file(run.weights_path), run.last_weights_path
    assert same_tensors(run.weights_path, last), "the last epoch was the last stage's best"
    before = run.checkpoint_path.read_bytes()
    run_tiny(discs, tmp_path / "run", resume=True, **how)
    assert run.checkpoint_path.read_bytes() == before, "it is over"
    assert best


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"best_by": "mean_iuo"}, "`best_by` .='mean_iuo'.: must be one of mean_iou, .*; the nearest is mean_iou"),
        ({"best_by": "rmse"}, "`best_by` .='rmse'.: must be one of mean_iou, pixel_accuracy, loss, or iou: and a cl"),
        ({"best_by": "iou:"}, "`best_by` .='iou:'.: must be one of .*, or iou: and a class"),
        ({"best_by": "iou:a", "task": "depth"}, "`best_by` .='iou:a'.: must be one of rmse, mae, rel, loss"),
        ({"patience": 0}, "`patience` .=0.: input should be greater than or equal to 1"),
        ({"ema": 1.0}, "`ema` .=1.0.: input should be less than 1"),
        ({"drops": (0.8, 0.4)}, "`drops` .=.0.8, 0.4..: must be shares between 0 and 1 that rise"),
        ({"compile": True, "checkpointing": True}, "`checkpointing` .=True.: cannot go with `compile`"),
    ],
)
def test_mistakes(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        make_recipe(data="photos", **values)


def test_the_best_of_one_class(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are kept, it is waited for, and no name of a class but those of the data will do."""
    scores = iter(score for score in (0.5, 0.6, 0.6, 0.4) for _ in ("judged", "written"))
    real = SegmentationTask.figures

    def figures(self: SegmentationTask, judged: Any) -> dict[str, Any]:
        return {**real(self, judged), "per_class_iou": {"class 0": math.nan, "class 1": next(scores)}}

    monkeypatch.setattr(SegmentationTask, "figures", figures)
    run = run_tiny(discs, tmp_path / "run", best_by="iou:class 1", patience=2, epochs=5)
    assert [line["per_class_iou"]["class 1"] for line in run.history()] == [0.5, 0.6, 0.6, 0.4]
    assert not same_tensors(run.weights_path, run.last_weights_path)
    with pytest.raises(UnknownNameError, match=r"There is no class `class one`; did you mean class 1"):
        run_tiny(discs, tmp_path / "other", best_by="iou:class one")


def test_a_class_that_no_validation_image_holds_has_no_best() -> None:
    dataset = materials(train=1, val=2, size=32)
    held = np.unique([sample.mask() for sample in dataset.split("val")])
    for label, name in enumerate(dataset.classes.names):
        recipe = make_recipe(data="sample:materials", best_by=f"iou:{name}")
        if label in held:
            check_best_by(recipe, dataset)
            continue
        with pytest.raises(ArgumentError, match=rf"`best_by` .='iou:{name}'. names a class that none of the 2 images"):
            check_best_by(recipe, dataset)
    assert 0 < len(held) < dataset.classes.count


@pytest.mark.usefixtures("unchecked_shapes")
def test_compiled_it_trains_the_same_network_under_the_same_names(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    compiled, real = [], torch.compile

    def compile_without_code(net: torch.nn.Module) -> Any:
        compiled.append(net)
        return real(net, backend="eager")  # traced and wrapped like any; machine code takes half a minute

    def never(*_: object) -> None:
        raise AssertionError("compiled code has a way of its own with convolutions")

    monkeypatch.setattr(loop.torch, "compile", compile_without_code)
    monkeypatch.setattr(preparation, "multiply_gradients", never)
    run = run_tiny(discs, tmp_path / "run", compile=True)
    assert len(compiled) == 1
    assert same_runs(run.folder, disc_run)
