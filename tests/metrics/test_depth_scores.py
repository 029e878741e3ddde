"""Scores of depth maps against a twin that goes from pixel to pixel, and their laws."""

import json
import math
from typing import Any

import numpy as np
import pytest
from reference.depth_scores import depth_scores

from intarsia.errors import ArgumentError
from intarsia.metrics import DepthScores, depth_errors

EDGES = (0.0, 2.0, 3.5)


def maps(seed: int, shape: tuple[int, int] = (13, 17)) -> tuple[np.ndarray, np.ndarray]:
    """Depths of half a metre to eight, a third unknown, and predictions some of which are far off or negative."""
    draw = np.random.default_rng(seed)
    truth = draw.uniform(0.5, 8, shape).astype(np.float32)
    prediction = truth * draw.lognormal(0, 0.1, shape).astype(np.float32)
    prediction[draw.random(shape) < 0.05] = -0.3
    truth[draw.random(shape) < 0.3] = 0
    truth[0, :2] = 2, 3.5  # on edges
    return truth, prediction


def flat(scores: DepthScores) -> dict[str, float]:
    figures: dict[str, Any] = scores.figures()
    return {**{n: v for n, v in figures.items() if n != "delta"}, **{f"delta {t}": v for t, v in scores.delta.items()}}


def test_scores_of_a_set_are_their_twins() -> None:
    pairs = [maps(seed, (11 + seed, 9)) for seed in range(3)]
    each = [DepthScores(depth_errors(*pair, EDGES), EDGES) for pair in pairs]
    total = each[0] + each[1] + each[2]
    parts = {"0-2 m": (0, 2), "2-3.5 m": (2, 3.5), "3.5 m and more": (3.5, math.inf)}
    assert flat(total) == pytest.approx(depth_scores(pairs, lambda t: True), rel=1e-12)
    assert total.by_distance.keys() == parts.keys()
    for name, (low, high) in parts.items():
        expected = depth_scores(pairs, lambda t, low=low, high=high: low <= t < high)
        assert flat(total.by_distance[name]) == pytest.approx(expected, rel=1e-12)


def test_a_set_is_not_the_mean_of_its_images() -> None:
    near, far = np.full((1, 1), 1.0), np.full((1, 3), 1.0)
    scores = DepthScores(depth_errors(near, near + 4)) + DepthScores(depth_errors(far, far))
    assert scores.mae == 1.0  # the mean of the images' is 2


def test_a_perfect_prediction_has_no_error() -> None:
    truth, _ = maps(0)
    scores = DepthScores(depth_errors(truth, truth))
    assert (scores.rmse, scores.mae, scores.rel, scores.irmse, scores.imae) == (0, 0, 0, 0, 0)
    assert set(scores.delta.values()) == {1.0}


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_shares_do_not_depend_on_the_unit(scale: float) -> None:
    truth, prediction = maps(1)
    prediction = np.abs(prediction)
    own, other = (DepthScores(depth_errors(truth * s, prediction * s)) for s in (1, scale))
    assert other.rel == pytest.approx(own.rel, rel=1e-6)
    assert other.delta == own.delta
    assert other.rmse == pytest.approx(scale * own.rmse, rel=1e-6)
    assert other.imae == pytest.approx(own.imae / scale, rel=1e-6)


def test_only_what_counts_is_counted() -> None:
    truth, prediction = maps(2)
    prediction[truth == 0] = np.nan  # nobody knows what is right there
    counted = np.zeros(truth.shape, bool)
    counted[:5] = True
    top = DepthScores(depth_errors(truth, prediction, counted=counted))
    assert flat(top) == flat(DepthScores(depth_errors(truth[:5], prediction[:5])))
    rest = DepthScores(depth_errors(truth, prediction, counted=~counted))
    assert flat(top + rest) == pytest.approx(flat(DepthScores(depth_errors(truth, prediction))), rel=1e-12)


def test_nothing_valid_is_nan_and_null() -> None:
    scores = DepthScores(depth_errors(np.zeros((2, 2)), np.ones((2, 2))))
    assert math.isnan(scores.rmse)
    assert scores.pixels == 0
    assert scores.by_distance == {}
    written = json.loads(json.dumps(scores.to_json()))
    assert (written["rmse"], written["delta"]["1.25"]) == (None, None)


def test_the_file_says_how_it_was_counted() -> None:
    scores = DepthScores(depth_errors(*maps(3), EDGES), EDGES)
    written: Any = json.loads(json.dumps(scores.to_json()))
    assert "all valid pixels of the whole set together" in written["protocol"]
    assert list(written["delta"]) == ["1.02", "1.05", "1.1", "1.25", "1.562", "1.953"]
    assert list(written["by_distance"]) == ["0-2 m", "2-3.5 m", "3.5 m and more"]
    assert flat(DepthScores(np.array(written["sums"]), written["edges"])) == flat(scores)


ONE = np.ones((2, 3))
REFUSED = [
    (ONE, ONE[:1], {}, r"`truth` \(2, 3\) and `prediction` \(1, 3\) must have one shape; resize the latter"),
    (ONE, ONE, {"counted": np.ones((3, 2), bool)}, r"`truth` \(2, 3\) and `counted` \(3, 2\) must have one shape"),
    (
        ONE,
        ONE,
        {"counted": np.ones((2, 3), int)},
        r"`counted` \(int64\) must be a mask of True and False; `counted != 0`",
    ),
    (ONE, ONE, {"edges": (0.0, math.nan)}, r"`edges` \(=\(0.0, nan\)\) must rise from 0"),
    (ONE, ONE, {"edges": (0.0, 1.0, math.inf)}, "`edges` .* must rise from 0"),
    (-ONE, ONE, {}, "`truth` holds depths that are negative or not finite, .* put 0 there"),
    (ONE * np.nan, ONE, {}, "`truth` holds depths that are negative or not finite"),
    (ONE, ONE * np.inf, {}, "`prediction` is not finite at 6 of 6 pixels with a truth, .* fill what is missing"),
    (ONE, ONE, {"edges": (1.0, 2.0)}, r"`edges` \(=\(1.0, 2.0\)\) must rise from 0, in metres, such as"),
    (ONE, ONE, {"edges": (0.0, 2.0, 2.0)}, r"`edges` .* must rise from 0"),
    (ONE, ONE, {"edges": ()}, r"`edges` \(=\(\)\) must rise from 0"),
]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(("truth", "prediction", "more", "sentence"), REFUSED)
def test_refusals(truth: np.ndarray, prediction: np.ndarray, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        depth_errors(truth, prediction, **more)


def test_sums_of_other_edges_are_refused() -> None:
    sums = depth_errors(ONE, ONE, EDGES)
    with pytest.raises(ArgumentError, match=r"`sums` \(3, 12\) must be \(9, 12\), a row for each of `edges`"):
        DepthScores(sums)
    with pytest.raises(ArgumentError, match="cannot be merged; the edges must agree"):
        _ = DepthScores(sums, EDGES) + DepthScores(sums, (0.0, 1.0, 2.0))
