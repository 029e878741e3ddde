"""Scores of a network and of the fills over a set: sums over all pixels, the same measurements for all."""

from pathlib import Path

import numpy as np
import pytest
from depth_runs import Scene, depth_network

from intarsia.data.depth import Depth, Measuring, measure, nearest_fill, open_depth
from intarsia.data.depth.measured import USUAL, chosen_measuring, how_many, measured_depth, measured_words
from intarsia.data.depth.measuring import OWN
from intarsia.data.generators import generator_for
from intarsia.errors import ArgumentError, DataError
from intarsia.inference import Execution, Preprocessing
from intarsia.inference.depth import DepthEstimator, evaluate_depth


def ramp(rows: int, columns: int, far: float = 4.0) -> Depth:
    return np.linspace(1, far, rows * columns, dtype=np.float32).reshape(rows, columns)


def own(measuring: Measuring | None = None) -> DepthEstimator:
    net = depth_network()
    return DepthEstimator(net, Preprocessing((0.5,) * 3, (0.25,) * 3), Execution(), measuring=measuring)


def test_scores_are_those_of_all_pixels_together() -> None:
    """By hand: every map of every sample laid end to end."""
    samples, estimator = [Scene(ramp(20, 30)), Scene(ramp(9, 40, 12.0))], own()
    scores = evaluate_depth(estimator, samples, Measuring("count", 20), seed=3)
    truths, answers, nearest = [], [], []
    for index, sample in enumerate(samples):
        measured = measure(sample.truth, sample.image(), Measuring("count", 20), generator_for(3, index))
        truths.append(sample.truth.ravel())
        answers.append(estimator.predict(sample.image(), measured).depth.ravel())
        nearest.append(nearest_fill(measured).ravel())
    truth = np.concatenate(truths)
    for name, maps in {"network": answers, "nearest": nearest}.items():
        errors = np.concatenate(maps).astype(np.float64) - truth
        assert scores[name].rmse == pytest.approx(np.sqrt((errors**2).mean()))
        assert scores[name].mae == pytest.approx(np.abs(errors).mean())
    assert list(scores) == ["network", "nearest", "linear", "bilateral"]
    assert {one.pixels for one in scores.values()} == {20 * 30 + 9 * 40}


def test_another_seed_measures_other_pixels_and_the_fills_may_be_left_out() -> None:
    samples, measuring = [Scene(ramp(20, 30))], Measuring("count", 20)
    first, again, other = (
        evaluate_depth(own(measuring), samples, seed=seed, fills=False)["network"].rmse for seed in (0, 0, 1)
    )
    assert first == again != other
    assert evaluate_depth(own(measuring), samples, fills=False).keys() == {"network"}


def test_each_image_is_shown_to_who_watches() -> None:
    samples, seen = [Scene(ramp(20, 30)), Scene(ramp(20, 30) + 1)], []
    total = evaluate_depth(own(USUAL), samples, watch=lambda *told: seen.append(told))
    assert [told[0] for told in seen] == samples
    for sample, result, truth, scores in seen:
        np.testing.assert_array_equal(truth, sample.truth)
        assert result.measured.any()
        assert scores.keys() == total.keys()
    assert sum(told[3]["linear"].pixels for told in seen) == total["linear"].pixels


def test_the_samples_own_measurements_are_taken_if_all_have_them() -> None:
    truth = ramp(20, 30)
    sensor = np.where(generator_for(0).random(truth.shape) < 0.1, truth + 0.5, np.float32(0)).astype(np.float32)
    with_sensor, without = Scene(truth, sensor), Scene(truth)
    assert chosen_measuring([with_sensor]) is None
    assert chosen_measuring([without]) == chosen_measuring([]) == USUAL == Measuring("count", 500)
    with pytest.raises(
        DataError, match=r"`scene` has no measurements of its own, but 1 of 2 images have: add them, .*500"
    ):
        chosen_measuring([with_sensor, without])
    assert chosen_measuring([with_sensor, without], USUAL) == USUAL
    assert chosen_measuring([with_sensor], Measuring("grid", 4)) == Measuring("grid", 4)
    assert chosen_measuring([with_sensor], OWN) is None
    with pytest.raises(DataError, match="`dark` has no measurements of its own, but 1 of 2 images have"):
        chosen_measuring([with_sensor, Scene(truth, name="dark")], OWN)
    seen: list[Depth] = []
    for run, asked in ((own(), None), (own(USUAL), OWN)):  # what was asked for, although a training drew pixels
        evaluate_depth(run, [with_sensor], asked, watch=lambda *told: seen.append(told[1].measured))
        np.testing.assert_array_equal(seen.pop(), sensor)


def test_how_it_was_measured_is_said() -> None:
    assert measured_words(None, 0) == "Measured: by the set's own sensor."
    assert measured_words(OWN, 0) == measured_words(None, 0)
    assert measured_words(USUAL, 2) == "Measured: 500 pixels anywhere, drawn with seed 2."
    assert "32 scan lines" in measured_words(Measuring("lines", 32), 0)
    assert "more of them where there is texture" in measured_words(Measuring("confidence", 100), 0)


NUMBERED = [
    (Measuring("grid", 1), "every row and column"),
    (Measuring("grid", 2), "every 2nd row and column"),
    (Measuring("grid", 3), "every 3rd row and column"),
    (Measuring("grid", 12), "every 12th row and column"),
    (Measuring("grid", 21), "every 21st row and column"),
    (Measuring("count", 1), "1 pixel anywhere"),
    (Measuring("lines", 1), "1 scan line"),
    (OWN, "what the set's own sensor measured"),
]


@pytest.mark.parametrize(("measuring", "words"), NUMBERED)
def test_numbers_agree_with_their_words(measuring: Measuring, words: str) -> None:
    assert how_many(measuring) == words


def test_refusals() -> None:
    nothing = np.zeros((20, 30), np.float32)
    with pytest.raises(DataError, match="nothing to evaluate: the split has no images"):
        evaluate_depth(own(), [])
    with pytest.raises(ArgumentError, match=r"`seed` \(=-1\) must be at least 0"):
        evaluate_depth(own(), [Scene(ramp(20, 30))], seed=-1)
    with pytest.raises(DataError, match="Nothing was measured of `scene`, so that nothing tells its distances"):
        evaluate_depth(own(), [Scene(ramp(20, 30), nothing)])
    with pytest.raises(DataError, match="`scene` has no measurements of its own: say how many to draw"):
        measured_depth(Scene(nothing), Scene(nothing).image(), nothing, None, 0, 0)


def test_the_built_in_scene(tmp_path: Path) -> None:
    """Linear filling is the better of the two that know no colours, and by about as much as was measured elsewhere."""
    scores = evaluate_depth(own(), open_depth("sample:motorcycle").split("val"))
    assert scores["bilateral"].rmse < scores["linear"].rmse < scores["nearest"].rmse
    assert 0.19 < scores["linear"].rmse < 0.23
