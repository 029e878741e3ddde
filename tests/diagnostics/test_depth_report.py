"""The report on depths: well-formed, self-contained, with all numbers; pictures and bars say what they should."""

import base64
import dataclasses
import io
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_runs import write_depth_run, write_scenes
from PIL import Image
from reports import Balance

from intarsia.cli.main import main
from intarsia.data.depth import open_depth
from intarsia.diagnostics.report.depth_page import DepthPage, render_depth
from intarsia.diagnostics.report.depth_pictures import DepthExample
from intarsia.diagnostics.report.depth_report import _Worst, report_on_depth
from intarsia.diagnostics.report.run_facts import trained_sentence
from intarsia.errors import ArgumentError
from intarsia.inference.depth import evaluate_depth, load_depth
from intarsia.metrics.depth import DepthScores, depth_errors
from intarsia.runs import Recipe, Run


def an_example(name: str, size: tuple[int, int] = (20, 30), rmse: float = 0.5, seed: int = 0) -> DepthExample:
    draw = np.random.default_rng(seed)
    truth = np.where(draw.random(size) < 0.8, draw.uniform(1, 9, size), 0).astype(np.float32)
    measured = np.where(draw.random(size) < 0.05, truth, 0).astype(np.float32)
    prediction = (truth + draw.normal(0, 0.4, size)).clip(0.1).astype(np.float32)
    return DepthExample(name, draw.integers(0, 256, (*size, 3), np.uint8), measured, truth, prediction, rmse)


def a_page(names: tuple[str, ...] = ("network", "nearest", "linear"), epochs: int = 3, **changes: Any) -> DepthPage:
    shown = an_example("scores", (40, 50))
    scores = {
        name: DepthScores(depth_errors(shown.truth, shown.prediction + np.float32(0.2 * i)))
        for i, name in enumerate(names)
    }
    history = [{"epoch": i, "loss": 1 / i, "rmse": 2 / i, "seconds": 3.5 * i} for i in range(1, epochs + 1)]
    examples = [an_example(f"scene-{i}", rmse=0.2 + i, seed=i) for i in range(2)]
    page = DepthPage("Trial", "It was tried.", [("model", "cspn")], history, scores, examples, ["do it"])
    return dataclasses.replace(page, **changes)


NOTHING = DepthScores(depth_errors(np.zeros((2, 2)), np.ones((2, 2))))
PAGES: dict[str, dict[str, Any]] = {
    "usual": {},
    "network alone": {"names": ("network",)},
    "no epoch": {"epochs": 0},
    "one epoch": {"epochs": 1},
    "no examples": {"examples": ()},
    "broad pictures": {"examples": [an_example("road", (40, 130))]},
    "large pictures": {"examples": [an_example("large", (500, 900))]},
    "an exact network": {"scores": {"network": DepthScores(depth_errors(np.ones((2, 2)), np.ones((2, 2))))}},
    "nothing true": {"scores": {"network": NOTHING, "nearest": NOTHING}},
}


@pytest.mark.parametrize("case", PAGES)
def test_the_page_is_well_formed_and_needs_nothing_but_itself(case: str) -> None:
    page = a_page(**PAGES[case])
    text = render_depth(page)
    read = Balance(text)
    assert all(source.startswith("data:") for source in read.sources)
    assert not re.search(r"https?:|url\(|@import", text)
    assert {"script", "iframe", "object"}.isdisjoint(read.tags)
    assert "nan" not in " ".join(read.texts).split()
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)
    shown = {part.strip() for part in read.texts}
    for scores in page.scores.values():
        values = (scores.rmse, scores.mae, scores.rel, *scores.delta.values())
        assert {"–" if math.isnan(value) else f"{value:.3f}" for value in values} <= shown
        assert "–" if math.isnan(scores.irmse) else f"{scores.irmse:.1f}" in shown
    assert {next(iter(page.scores.values())).protocol, page.title, page.sentence, "cspn"} <= shown


def test_a_network_that_loses_to_a_fill_is_said_so() -> None:
    page = a_page()
    assert "does not beat" not in render_depth(page)
    worse = dict(zip(page.scores, reversed(page.scores.values()), strict=True))
    text = render_depth(dataclasses.replace(page, scores=worse))
    assert "The network does not beat the linear fill here." in text
    assert re.search(r"<b>\+0\.\d{3} m</b> difference", text)


def test_bars_are_as_long_as_the_errors() -> None:
    page = a_page()
    text = render_depth(page)
    bars = re.findall(r'height="([\d.]+)"><title>([^,]+), (\w+): ([\d.]+) m</title>', text)
    parts = {name: own.by_distance for name, own in page.scores.items()}
    assert len(bars) == sum(map(len, parts.values()))
    for height, part, name, value in bars:
        rmse = parts[name][part.replace("–", "-")].rmse
        assert float(value) == pytest.approx(rmse, rel=1e-3)
        assert float(height) / float(bars[0][0]) == pytest.approx(rmse / float(bars[0][3]), rel=0.01)
    shares = [float(share) for share in re.findall(r">(\d+) % of pixels<", text)]
    assert sum(shares) == pytest.approx(100, abs=2)


def test_parts_of_few_pixels_do_not_set_the_axis() -> None:
    """Four stray pixels beyond 20 m had an error of 15 m, and all other bars were flat."""
    truth = np.full((40, 50), 2.5, np.float32)
    truth[0, :4] = 50
    text = render_depth(a_page(scores={"network": DepthScores(depth_errors(truth, np.full_like(truth, 2.7)))}))
    bars = re.findall(r'height="[\d.]+"><title>([^,]+), (\w+): ([\d.]+) m</title>', text)
    assert bars == [("2–3 m", "network", "0.2")]
    assert re.search(r"\d+(–\d+)? m( and more)?: less than 0.5 % of pixels, without bars\.", text)


@pytest.mark.parametrize(("seconds", "words"), [(24.2, "in 24 seconds"), (60.0, "in 1.0 minutes")])
def test_short_trainings_took_seconds(seconds: float, words: str, run: Path, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(run, tmp_path / "run")))
    copy.write_history([{"epoch": 1, "seconds": seconds}])
    assert f" 1 epoch on elsewhere {words}," in trained_sentence(copy, "x", "val", 2)


def test_the_worst_example_comes_first_and_one_without_truth_last() -> None:
    examples = [an_example("unknown", rmse=math.nan), an_example("good", rmse=0.1), an_example("bad", rmse=2.0)]
    read = Balance(render_depth(a_page(examples=examples)))
    assert [text for text in read.texts if text in ("unknown", "good", "bad")] == ["bad", "good", "unknown"]


def pictures_of(page: DepthPage) -> list[np.ndarray]:
    uris = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', render_depth(page))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))).astype(int) for uri in uris]


def test_pictures_share_their_colours_and_errors_have_a_sign() -> None:
    """The scene is near on the left, far on the right, unknown below; the prediction has both sides exchanged above."""
    truth = np.full((48, 64), 2.0, np.float32)
    truth[:, 32:], truth[40:] = 4.0, 0.0
    prediction = np.where(truth > 0, truth, 3).astype(np.float32)
    prediction[:20, :32], prediction[:20, 32:] = 4.0, 2.0
    measured = np.zeros_like(truth)
    measured[30, 10] = 2.0
    scores = {"network": DepthScores(depth_errors(truth, prediction))}
    example = DepthExample("one", np.full((48, 64, 3), 90, np.uint8), measured, truth, prediction, 1.0)
    image, dots, true, predicted, errors = pictures_of(a_page(scores=scores, examples=[example]))
    assert image.shape == (48 * 7, 64 * 7, 3)  # enlarged by a whole factor
    near, far = true[100, 60], true[100, 400]
    assert near[0] > near[2] + 50
    assert far[2] > far[0] + 50
    np.testing.assert_allclose(predicted[100, 60], far, atol=6)
    np.testing.assert_allclose(predicted[100, 400], near, atol=6)
    assert true[320].max() < 12
    assert errors[320].max() < 12  # black
    too_far, too_near, exact = errors[100, 60], errors[100, 400], errors[240, 60]
    assert too_far[2] > too_far[0] + 50
    assert too_near[0] > too_near[2] + 50
    assert exact.min() > 225
    seen = dots.sum(2) > 250
    assert seen.sum() == pytest.approx(21 * 21, rel=0.1)  # a dot of three pixels
    assert seen[30 * 7 + 3, 10 * 7 + 3]


def test_a_shrunk_example_gives_the_same_page_and_keeps_each_measured_region() -> None:
    large = an_example("large", (700, 900))
    small = large.shrunk()
    assert render_depth(a_page(examples=[large])) == render_depth(a_page(examples=[small]))
    assert max(small.truth.shape) == 448
    rows, columns = np.nonzero(large.measured)
    assert (small.measured[rows * 348 // 700, columns * 448 // 900] > 0).all()


def test_sparse_truth_stays_to_be_seen_with_the_errors_of_its_own_pixels() -> None:
    """One known pixel in each ten: nearly every new pixel of a large image holds one, and shows that pixel's error."""
    draw = np.random.default_rng(0)
    size = (600, 1792)  # four old pixels a side
    truth = np.where(draw.random(size) < 0.1, draw.uniform(2, 60, size), 0).astype(np.float32)
    prediction = (truth * 1.5 + 1).astype(np.float32)
    small = DepthExample("road", np.zeros((*size, 3), np.uint8), truth, truth, prediction, 1.0).shrunk()
    assert small.truth.shape == (150, 448)
    assert (small.truth > 0).mean() == pytest.approx(1 - 0.9**16, abs=0.01)
    np.testing.assert_array_equal(small.prediction, (small.truth * 1.5 + 1).astype(np.float32))
    np.testing.assert_array_equal(small.truth > 0, small.measured > 0)
    dense = DepthExample("dense", np.zeros((*size, 3), np.uint8), truth, prediction, prediction, 1.0).shrunk()
    np.testing.assert_array_equal(dense.truth, prediction[2::4, 2::4])


HOSTILE = "<script>alert('1')</script>\" & $body"


def test_whatever_comes_from_outside_is_escaped() -> None:
    page = a_page(title=HOSTILE, sentence=HOSTILE, facts=[(HOSTILE, HOSTILE)], commands=[HOSTILE])
    page = dataclasses.replace(
        page, examples=[an_example(HOSTILE)], scores=dict.fromkeys(("network", HOSTILE), NOTHING)
    )
    read = Balance(render_depth(page))
    assert "script" not in read.tags


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_a_page_must_have() -> None:
    with pytest.raises(ArgumentError, match="`scores` must hold those of the network at least"):
        a_page(scores={})
    with pytest.raises(ArgumentError, match="image and depths of example `odd` must have one size"):
        a_page(examples=[dataclasses.replace(an_example("odd"), truth=np.ones((3, 4), np.float32))])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_depth_run(tmp_path_factory.mktemp("depth") / "run", "40")
    Recipe(data="elsewhere", task="depth", backbone="test_resnet", options={"steps": 3}).write(run.recipe_path)
    run.write_history([{"epoch": 1, "loss": 0.5, "rmse": 0.4, "seconds": 90.0, "delta": {"1.25": 0.5}}])
    return run.folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("depth") / "set", sparse=True)


def test_it_tells_this_run(run: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.html"
    assert main(["evaluate", str(run), str(scenes), "--report", str(path), "--measuring", "grid:8", "--seed", "3"]) == 0
    assert "bilateral" in capsys.readouterr().out
    page = re.sub("<[^>]*>", "", path.read_text())
    for text in (
        "was trained for 1 epoch on elsewhere in 1.5 minutes",
        "Measured: every 8th row and column, where the grid begins drawn with seed 3.",
        "test_resnet at output stride 32",
        "cspn_depth, form paper",
        f"intarsia evaluate {run} {scenes} --measuring grid:8 --seed 3",
        "--options.steps 3",
    ):
        assert text in page
    scores = report_on_depth(run, scenes, tmp_path / "again.html")
    expected = evaluate_depth(load_depth(run), open_depth(scenes).split("val"))
    assert {name: own.rmse for name, own in scores.items()} == {name: own.rmse for name, own in expected.items()}


def test_the_worst_images_are_kept(run: Path, scenes: Path) -> None:
    seen, worst = [], _Worst()

    def watch(sample, result, truth, scores) -> None:
        seen.append(scores["network"].rmse)
        worst.watch(sample, result, truth, scores)

    evaluate_depth(load_depth(run), open_depth(scenes).split("val") * 7, fills=False, watch=watch)
    assert [example.rmse for example in worst.kept] == sorted(seen, reverse=True)[:12]
