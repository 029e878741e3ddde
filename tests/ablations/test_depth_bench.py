"""The bench of depth completion: a trial from end to end, what is compared, the page and its pictures."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.ablations import depth_bench, depth_trials
from intarsia.ablations.depth import AGAINST, COUNTS, CSPN, FILLS, JUDGED, PLAIN, VARIANTS, DepthVariant
from intarsia.ablations.depth_bench import DepthBench
from intarsia.ablations.depth_page import SCORES, DepthEvidence, depth_page
from intarsia.ablations.depth_pictures import CELL, TRAIN, VAL, answers_picture, split_picture
from intarsia.ablations.depth_trials import DepthTrial, prepare_cuttings
from intarsia.ablations.variant import SEEDS
from intarsia.ablations.work import Result
from intarsia.cli.main import main
from intarsia.data import generator_for
from intarsia.data.depth import Measuring, linear_fill, measure, open_depth
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.inference import Preprocessing
from intarsia.inference.depth import DepthEstimator, evaluate_depth, load_depth
from intarsia.inference.execution import Execution
from intarsia.metrics import DepthScores, depth_errors
from intarsia.models import DepthNetwork, create_model

TINY = DepthVariant(
    "tiny", {"backbone": "test_resnet", "crop_size": 32, "batch_size": 2, "options": {"steps": 2}}, (50,)
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DepthTrial]:
    """For reading only."""
    trial = DepthTrial(TINY, 50, 0, 2, tmp_path_factory.mktemp("runs"))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(depth_trials, "DRAWS", (100,))
    prepare_cuttings(trial)
    trial.perform()
    yield trial
    monkeypatch.undo()


def test_a_trial_keeps_the_scores_of_network_and_fills(finished: DepthTrial) -> None:
    result = finished.result()
    assert result is not None
    assert set(result.scores) >= {f"{name}.{score}" for name in ("network", *FILLS) for score in SCORES}
    total = None
    for index, sample in enumerate(open_depth("sample:motorcycle").split("val")):
        image, depth = sample.image(), sample.depth()
        measured = measure(depth, image, Measuring("count", 50), generator_for(100, index))
        scores = DepthScores(depth_errors(depth, linear_fill(measured)))
        total = scores if total is None else total + scores
    assert total is not None
    assert result.scores["linear.rmse"] == total.rmse
    assert finished.told(result).startswith("tiny, 50 measured, seed 0: RMSE ")
    assert str(load_depth(finished.folder).measuring) == "count:50"
    assert not list(finished.folder.glob("checkpoint*"))


def test_what_is_not_trained_answers_what_it_begins_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_trials, "DRAWS", (100,))
    net = create_model("cspn_depth", "test_resnet", form="filled", steps=0).eval()
    assert isinstance(net, DepthNetwork)
    estimator = DepthEstimator(net, Preprocessing((0.5,) * 3, (0.25,) * 3), Execution())
    samples = open_depth("sample:motorcycle").split("val")
    scores = evaluate_depth(estimator, samples, Measuring("count", 50), 100, fills=False)["network"]
    assert depth_trials.beginning(50)["rmse"] == scores.rmse


def test_a_trial_is_a_pure_function_of_variant_and_seed(finished: DepthTrial, tmp_path: Path) -> None:
    again = replace(finished, runs=tmp_path)
    prepare_cuttings(again)
    first, second = finished.result(), again.perform()
    assert first is not None
    assert (second.loss, second.scores) == (first.loss, first.scores)
    other = [replace(again, seed=1).name, replace(again, train=3).name, replace(again, count=51).name, again.name]
    assert len(set(other)) == 4


def test_cuttings_are_those_of_the_scene(finished: DepthTrial) -> None:
    written, drawn = open_depth(finished.data), motorcycle(2)
    for split in ("train", "val"):
        for ours, theirs in zip(written.split(split), sorted(drawn.split(split), key=lambda s: s.name), strict=True):
            np.testing.assert_array_equal(ours.image(), theirs.image())
            np.testing.assert_allclose(ours.depth(), theirs.depth(), rtol=0, atol=0.6 * depth_trials.METRE)
            assert ((ours.depth() > 0) == (theirs.depth() > 0)).all()


def test_what_is_compared_differs_in_one_thing() -> None:
    assert CSPN.recipe(500).options.get("steps", 24) == 24
    for one, other in AGAINST:
        recipes = [v.recipe(500).model_dump(exclude={"data"}) for v in (one, other)]
        differing = {name for name in recipes[0] if recipes[0][name] != recipes[1][name]}
        assert differing in ({"options"}, {"form"})
    assert len({v.key(500, 800) for v in VARIANTS}) == len(VARIANTS)
    assert CSPN.key(500, 800) != CSPN.key(100, 800)


def made_up(gain: float = 0.05) -> DepthEvidence:
    """CSPN is better by as much than the network without it, which is as good as the linear fill."""
    results = {
        (v.label, count): [
            Result(
                {
                    f"{name}.{score}": 0.2
                    + 0.001 * seed * (name == "network")
                    - gain * (v is CSPN and name == "network")
                    for name in ("network", *FILLS)
                    for score in SCORES
                },
                1.0,
                60.0,
                "torch",
            )
            for seed in SEEDS
        ]
        for v in VARIANTS
        for count in v.counts
    }
    return DepthEvidence(800, results, {count: dict.fromkeys(SCORES, 0.25) for count in COUNTS})


def test_the_page_says_what_shows() -> None:
    text = depth_page(made_up(), "command")
    assert "| network with CSPN | 0.151 (0.150–0.152) |" in text
    assert "| linear fill | 0.200 |" in text
    assert text.count("| what networks begin with | 0.250 |") == len(COUNTS)
    for count in COUNTS:
        lines = [line for line in text.splitlines() if f"{CSPN.label} − {PLAIN.label} | {count} |" in line]
        assert lines == [
            f"| {CSPN.label} − {PLAIN.label} | {count} | **-0.050** (-0.050, -0.050, -0.050) | holds here |"
        ]
    assert "does not show at this size" in depth_page(made_up(0.0), "command")
    assert "is reversed" in depth_page(made_up(-0.05), "command")
    assert "for 200 steps of 4 crops" in text
    count = 3 * (3 + 3 + 1 + 1)
    assert f"{count} trainings with one thread each, whose clocks add up to {count} minutes." in text
    assert set(re.findall(r"\]\((pictures/.*?)\)", text)) == {
        "pictures/depth/split.png",
        "pictures/depth/scores.svg",
        "pictures/depth/answers.png",
    }


def test_the_split_is_drawn_on_the_scene() -> None:
    picture = split_picture()
    assert picture.shape[1] == 2 * 2 * 371
    assert (picture[0, 2 * 100] == TRAIN).all()
    assert (picture[0, 2 * 250] == VAL).all()
    assert not (picture[0, 2 * 195] == TRAIN).all()


def test_the_answers_are_drawn_with_their_errors(finished: DepthTrial) -> None:
    picture = answers_picture({"tiny": finished.folder}, 50)
    assert picture.shape[1] > 6 * CELL  # image, truth, three fills, one network
    assert picture.shape[0] > 4 * CELL  # two rows for each of two pictures


def test_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each training and the picture of answers stand in: how they are made is tested above."""
    found, asked = made_up(), []
    monkeypatch.setattr(depth_bench, "perform_all", lambda some, *_: asked.extend(some))
    monkeypatch.setattr(depth_bench, "prepare_cuttings", lambda _: None)
    monkeypatch.setattr(depth_bench, "answers_picture", lambda shown, _: np.full((4, len(shown), 3), 7, np.uint8))
    monkeypatch.setattr(DepthTrial, "result", lambda t: found.results[t.variant.label, t.count][t.seed])
    lines: list[str] = []
    DepthBench(tmp_path / "runs", say=lines.append).write(tmp_path / "depth.md")
    assert len(asked) == len({trial.name for trial in asked}) == 3 * (3 + 3 + 1 + 1)
    assert {(t.count, t.seed) for t in asked[: len(VARIANTS)]} == {(JUDGED, SEEDS[0])}
    assert f"Made by `intarsia bench depth --out {tmp_path}/depth.md" in (tmp_path / "depth.md").read_text()
    with Image.open(tmp_path / "pictures" / "depth" / "answers.png") as picture:
        assert picture.size == (len(VARIANTS), 4)
    assert {p.name for p in (tmp_path / "pictures" / "depth").iterdir()} == {"answers.png", "split.png", "scores.svg"}
    assert lines[-1] == f"Written: `{tmp_path}/depth.md`."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "cspn"], "`only` (=cspn) names claims or models; leave it out for bench depth."),
        (["--processes", "0"], "`processes` (=0) must be at least 1"),
        (["--out", "FOLDER"], "`FOLDER` is a folder; name a file in it for --out"),
    ],
)
def test_refusals(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(depth_bench, "prepare_cuttings", lambda *_: pytest.fail("began before it refused"))
    (tmp_path / "FOLDER").mkdir()
    assert main(["bench", "depth", *arguments]) == 1
    assert sentence in capsys.readouterr().err
