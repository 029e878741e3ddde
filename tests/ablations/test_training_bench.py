"""The bench of training: its questions, its mosaics, several processes, the page."""

import os
import re
import shlex
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny import write_discs

from intarsia.ablations import training_bench, work
from intarsia.ablations.evidence import Evidence
from intarsia.ablations.mosaics import LEAST_LABELLED, Mosaics
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.training import IN_PARTS, ONE_STAGE, PLAIN, QUESTIONS, RARE, TWO
from intarsia.ablations.training_bench import TrainingBench
from intarsia.ablations.training_page import training_page
from intarsia.ablations.trials import Trial
from intarsia.ablations.variant import BASE, SEEDS, Variant
from intarsia.ablations.work import Result, trained
from intarsia.cli.main import main
from intarsia.data import open_dataset, write_folder
from intarsia.errors import RunError
from intarsia.runs import Recipe, make_recipe

VARIANTS = [(question, variant) for question in QUESTIONS for variant in question.claim.variants]
COUNT = len(VARIANTS) * len(SEEDS)


def made_up() -> dict[str, Evidence]:
    """The first of each question's variants is the best, each next one two hundredths worse."""
    return {
        question.name: Evidence(
            question.mosaics,
            {
                variant.key(question.mosaics): [
                    Result(dict.fromkeys(SCORES, 0.9 - 0.02 * place + 0.001 * seed), 1.0, 60.0, "torch")
                    for seed in SEEDS
                ]
                for place, variant in enumerate(question.claim.variants)
            },
            {},
        )
        for question in QUESTIONS
    }


@pytest.mark.parametrize(("question", "variant"), VARIANTS, ids=[v.label for _, v in VARIANTS])
def test_what_is_typed_is_what_is_trained(
    question: Any, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("intarsia.training.train", lambda recipe, **_: taken.append(recipe))
    taken: list[Recipe] = []
    Path("STAGES.toml").write_text(variant.stages_file("mosaics"))
    words = shlex.split(variant.command(question.mosaics, "mosaics", seed=2))
    assert main(words[words.index("intarsia") + 1 :]) == 0
    assert taken == [variant.recipe(question.mosaics, "mosaics", seed=2)]
    assert ("torchrun" in words) == (variant.processes > 1)


def test_all_trainings_differ_and_see_as_many_images() -> None:
    assert len({variant.key(question.mosaics) for question, variant in VARIANTS}) == len(VARIANTS)
    for question, variant in VARIANTS:
        recipe = variant.recipe(question.mosaics)
        assert recipe.batch_size * variant.processes == BASE["batch_size"]
        steps = [stage.steps for stage in recipe.stages] or [question.mosaics.train // BASE["batch_size"]]
        assert sum(step or 0 for step in steps) == 200


def test_two_stages_written_as_a_file() -> None:
    assert ONE_STAGE.stages_file("mosaics") == ""
    assert tomllib.loads(TWO.stages_file("mosaics"))["recipe"]["stages"][1] == {
        "steps": 100,
        "learning_rate": 0.0005,
        "output_stride": 8,
        "freeze_batch_norm": True,
    }


def test_mosaics_of_other_kinds_have_other_folders_and_keys() -> None:
    kinds = [PLAIN, RARE, IN_PARTS]
    assert len({kind.name for kind in kinds}) == len({str(kind.key) for kind in kinds}) == 3
    assert Mosaics().key == [800, 64]  # as it was before there were kinds


def test_mosaics_labelled_in_part(tmp_path: Path) -> None:
    """From a hundredth to all of each to train on, one disc of it; read back as they were."""
    some = Mosaics(train=60, val=2, size=32, in_parts=True)
    whole, parts = Mosaics(train=60, val=2, size=32).dataset(), some.dataset()
    shares = []
    for one, part in zip(whole.split("train"), parts.split("train"), strict=True):
        valid = part.mask() != 255
        assert (part.mask()[valid] == one.mask()[valid]).all()
        assert (part.image() == one.image()).all()
        shares.append(valid.mean())
    assert 0 < min(shares) < 3 * LEAST_LABELLED
    assert 0.6 < max(shares) <= 1
    assert 0.05 < float(np.median(shares)) < 0.2  # in the middle of the logarithms: 0.1
    assert all((sample.mask() != 255).all() for sample in (*parts.split("val"), *some.unseen(2, 2)))
    write_folder(parts, tmp_path / "data")
    read = open_dataset(tmp_path / "data").split("train")
    assert all((a.mask() == b.mask()).all() for a, b in zip(read, parts.split("train"), strict=True))


@pytest.mark.usefixtures("unchecked_shapes")  # the network stands in
def test_rare_classes_are_scored_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scores: Mapping[str, Any] = {"moon": 0.5, "tissue": 0.7, "brick": 0.1}
    found = SimpleNamespace(per_class_iou=scores, per_class_accuracy={"moon": 0.2, "tissue": 0.4}, mean_iou=0.3)
    monkeypatch.setattr("intarsia.ablations.scoring.judged", lambda *_: (found, None))
    takes = [SCORES[name].take for name in ("unseen_mean_iou", "unseen_rare_iou", "unseen_rare_accuracy")]
    assert [take and take(None, RARE) for take in takes] == pytest.approx([0.3, 0.6, 0.3])  # pyright: ignore


def test_several_processes_are_started_as_a_user_starts_them(tmp_path: Path) -> None:
    """Two of them take each half of a step's images."""
    write_discs(tmp_path / "data", 9)
    recipe = make_recipe(
        data=str(tmp_path / "data"), model="fcn8s", backbone="test_resnet", pretrained=False, crop_size=32,
        batch_size=4, epochs=1, workers=0, precision="float32", memory_format="contiguous",
    )  # fmt: skip
    run = trained(recipe, tmp_path / "run", processes=2)
    assert run.history()[-1]["step"] == 1
    assert not run.checkpoint_path.exists()
    assert Recipe.read(run.recipe_path) == recipe
    assert {path.name for path in tmp_path.iterdir()} == {"data", "run"}


def test_a_process_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "W1123 torchrun\nintarsia: There is no folder `nowhere`.\nTraceback …\n"
    monkeypatch.setattr(work, "launched", lambda _: (1, said))
    with pytest.raises(RunError, match=r"^`run` failed in 2 processes: intarsia: There is no folder `nowhere`\.$"):
        trained(make_recipe(data="nowhere"), tmp_path / "run", processes=2)


def test_stopped_it_waits_for_the_processes_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `torchrun` does, the command ends its own processes only when it is asked to end, and that takes a while."""
    program = f"""
import pathlib, signal, time
def end(*_):
    time.sleep(0.6)
    pathlib.Path({str(tmp_path / "ended")!r}).touch()
    raise SystemExit(1)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
pathlib.Path({str(tmp_path / "begun")!r}).touch()
time.sleep(60)
"""
    real = work.launched
    monkeypatch.setattr(work, "launched", lambda _: real([sys.executable, "-c", program]))

    def stop() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    threading.Thread(target=stop, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            trained(make_recipe(data="nowhere"), tmp_path / "run", processes=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert {path.name for path in tmp_path.iterdir()} == {"begun", "ended"}


def test_the_page_says_what_shows() -> None:
    text = training_page(QUESTIONS, made_up(), "command")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [question.claim.title for question in QUESTIONS]
    assert f"The\n  {COUNT} trainings took {(COUNT - 6) / 2 + 6:.0f} minutes, two at a time" in text
    assert "| norm over all processes > norm of each process alone | mean IoU | +2.0 | +2.0, +2.0, +2.0 |" in text
    assert "16, then 8 with norms frozen > one stage, output stride 16 | mean IoU | -4.0 |" in text
    assert "torchrun --nproc-per-node 4 -m intarsia train runs/claims/mosaics_1600_64_96 " in text
    assert text.count("# STAGES.toml\n[recipe]\n") == 4
    anchors = {re.sub(r"[^\w\- ]", "", q.claim.title.lower()).replace(" ", "-") for q in QUESTIONS}
    assert set(re.findall(r"\]\(#(.*?)\)", text)) == anchors


def test_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each training stands in: how one is made is tested above."""
    found, asked = made_up(), []
    of = {question.mosaics: question.name for question in QUESTIONS if question.mosaics != PLAIN}
    for question in QUESTIONS:
        for variant in question.claim.variants:
            of[variant.key(question.mosaics)] = question.name
    monkeypatch.setattr(training_bench, "perform_all", lambda some, processes, _: asked.append((processes, len(some))))
    monkeypatch.setattr(training_bench, "prepare_data", lambda *_: None)
    monkeypatch.setattr(Trial, "result", lambda t: found[of[t.kind]].results[t.kind][t.seed])
    lines: list[str] = []
    TrainingBench(tmp_path / "runs", say=lines.append).write(tmp_path / "training.md")
    assert asked == [(2, COUNT - 6), (1, 6)]
    text = (tmp_path / "training.md").read_text()
    assert f"Made by `intarsia bench training --out {tmp_path}/training.md" in text
    for picture in re.findall(r"\]\((pictures/.*?)\)", text):
        assert (tmp_path / picture).is_file()
    assert lines[-1] == f"Written: `{tmp_path}/training.md`."


def test_only_belongs_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "training", "--only", "stages"]) == 1
    assert "`only` (=stages) names claims or models; leave it out for bench training." in capsys.readouterr().err
