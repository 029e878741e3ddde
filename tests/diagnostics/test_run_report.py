"""The page about a run: the worst images, the yardstick, and facts that are this run's."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from intarsia.cli.main import main
from intarsia.data import open_dataset
from intarsia.diagnostics.report.run_facts import commands_of, network_facts, trained_sentence
from intarsia.diagnostics.report.run_report import _sentence, _Worst, report_on_run
from intarsia.inference import evaluate_samples, load
from intarsia.runs import Recipe, Run, make_recipe


def test_it_tells_this_run(discs: Path, disc_run: Path, tmp_path: Path) -> None:
    scores, baseline, _ = report_on_run(disc_run, discs, tmp_path / "page.html")
    page = re.sub("<[^>]*>", "", (tmp_path / "page.html").read_text())
    assert baseline is not None
    for text in (
        f"{scores.mean_iou:.3f}",
        f"{baseline.mean_iou:.3f}",
        "test_resnet at output stride 32",
        "unet, form paper",
    ):
        assert text in page
    assert "the 1 image of the val split" in page
    assert "on which it was not trained" in page
    assert f"intarsia evaluate {disc_run} {discs}" in page
    assert "--options.widths 8,8,8,8,8" in page
    assert "--no-pretrained" in page


def with_recipe(values: dict[str, Any], run: Path, folder: Path) -> Run:
    """As far as facts need it: another run's network, trained otherwise."""
    shutil.copy(run / "network.json", folder)
    make_recipe(data="photos", **values).write(Run(folder).recipe_path)
    return Run(folder)


@pytest.mark.parametrize(
    ("values", "split", "unseen"),
    [
        ({}, "val", True),
        ({}, "trainval", False),
        ({"split": "trainval"}, "val", False),
        ({"stages": [{"split": "trainaug"}, {"split": "trainval"}]}, "val", False),
        ({"stages": [{}, {"split": "trainval"}]}, "test", True),
    ],
)
def test_only_what_no_stage_learned_from_is_called_unseen(
    values: dict[str, Any], split: str, unseen: bool, disc_run: Path, tmp_path: Path
) -> None:
    said = trained_sentence(with_recipe(values, disc_run, tmp_path), "photos", split, 2)
    assert said.endswith(", on which it was not trained.") == unseen


@pytest.mark.parametrize(
    ("values", "fact"),
    [
        ({"batch_size": 3, "crop_size": 64}, "3 × 64²"),
        ({"stages": [{"steps": 2}, {"batch_size": 5, "crop_size": 96}]}, "5 × 96²"),
        ({"loss": "focal", "loss_options": {"gamma": 1}, "crop_size": 64, "batch_size": 2}, "2 × 64²"),
        ({"class_weights": {"disc": 2.0}, "crop_size": 64, "batch_size": 2}, "2 × 64²"),
    ],
)
def test_what_repeats_a_training_is_that_training(
    values: dict[str, Any], fact: str, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one in stages, of which the last left the weights; command lines hold no tables."""
    recipe, run, taken = make_recipe(data="photos", **values), with_recipe(values, disc_run, tmp_path), list[Recipe]()
    assert ("Batch and crop", fact) in network_facts(run)
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: taken.append(recipe))
    assert main(shlex.split(commands_of(run, "photos")[0])[1:]) == 0
    assert taken == [recipe]


def test_the_worst_images_are_kept(discs: Path, disc_run: Path) -> None:
    seen, worst = [], _Worst()

    def watch(sample, result, truth, scores) -> None:
        seen.append((scores.mean_iou, sample.name))
        worst.watch(sample, result, truth, scores)

    evaluate_samples(load(disc_run), open_dataset(discs).split("train") * 3, watch)
    assert [example.mean_iou for example in worst.kept] == sorted(score for score, _ in seen)[:12]


@pytest.mark.parametrize("count", [1, 2])
def test_one_is_said_as_one(count: int, disc_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "history", lambda run: [{"seconds": 60}] * count)
    ending = "s" * (count - 1)
    said = _sentence(Run(disc_run), "photos", "val", count)
    assert f"was trained for {count} epoch{ending} on " in said
    assert f"on the {count} image{ending} of the val split of photos." in said
