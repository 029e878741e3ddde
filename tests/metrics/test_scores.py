"""Scores against definitions counted pixel by pixel in plain Python, and their laws."""

import json
import math

import numpy as np
import pytest

from intarsia.errors import ArgumentError
from intarsia.metrics import Scores, confusion_matrix

SUMMARY = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "mean_dice")
PER_CLASS = ("per_class_iou", "per_class_dice", "per_class_accuracy")


def mean(values):
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def reference_scores(truth, prediction, names):
    """Every score by the set definitions, on lists of classes, without any matrix."""
    pixels = [pair for pair in zip(truth, prediction, strict=True) if 255 not in pair]
    iou, dice, accuracy, support = {}, {}, {}, {}
    for index, name in enumerate(names):
        true = {place for place, pair in enumerate(pixels) if pair[0] == index}
        predicted = {place for place, pair in enumerate(pixels) if pair[1] == index}
        both, either = len(true & predicted), len(true | predicted)
        iou[name] = both / either if either else math.nan
        dice[name] = 2 * both / (len(true) + len(predicted)) if either else math.nan
        accuracy[name] = both / len(true) if true else math.nan
        support[name] = len(true)
    weighted = [support[name] * iou[name] for name in names if support[name]]
    return {
        "per_class_iou": iou,
        "per_class_dice": dice,
        "per_class_accuracy": accuracy,
        "support": support,
        "mean_iou": mean(iou.values()),
        "mean_dice": mean(dice.values()),
        "mean_accuracy": mean(accuracy.values()),
        "pixel_accuracy": sum(true == predicted for true, predicted in pixels) / len(pixels) if pixels else math.nan,
        "frequency_weighted_iou": sum(weighted) / len(pixels) if pixels else math.nan,
    }


def scores_of(truth, prediction, names):
    masks = (np.array([values], dtype=np.uint8) for values in (truth, prediction))
    return Scores(confusion_matrix(*masks, classes=len(names)), names)


def random_pixels(classes, seed=0, count=200):
    generator = np.random.default_rng(seed)
    truth = generator.choice([*range(classes), 255], size=count)
    prediction = np.where(generator.random(count) < 0.6, truth, generator.integers(0, classes, size=count))
    return truth.tolist(), prediction.tolist()


NAMES = ("sky", "road", "tram", "dog")
RANDOM = random_pixels(4)
CASES = {
    "random": RANDOM,
    "absent from both": ([0, 0, 1, 1, 3], [0, 1, 1, 1, 0]),
    "predicted, never true": ([0, 0, 1, 1], [0, 1, 2, 2]),
    "true, never predicted": ([0, 1, 2, 3], [0, 0, 0, 0]),
    "ignored on both sides": ([255, 0, 1, 255, 2], [0, 255, 1, 255, 1]),
    "nothing counted": ([255, 255], [0, 1]),
    "one class": ([2, 2, 2], [2, 2, 2]),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_set_definitions(case):
    scores, expected = scores_of(*CASES[case], NAMES), reference_scores(*CASES[case], NAMES)
    for name, value in expected.items():
        assert getattr(scores, name) == pytest.approx(value, nan_ok=True, abs=1e-12), name


def test_a_perfect_prediction_scores_one():
    truth, _ = RANDOM
    scores = scores_of(truth, truth, NAMES)
    assert [getattr(scores, name) for name in SUMMARY] == [1.0] * 5


def test_permuting_the_classes_permutes_the_scores():
    order = [2, 0, 3, 1]
    scores = scores_of(*RANDOM, NAMES)
    permuted = Scores(scores.matrix[np.ix_(order, order)], [NAMES[index] for index in order])
    for name in SUMMARY:
        assert getattr(permuted, name) == pytest.approx(getattr(scores, name), abs=1e-12)
    for name in (*PER_CLASS, "support"):
        assert getattr(permuted, name) == getattr(scores, name)
        assert list(getattr(permuted, name)) != list(getattr(scores, name))


def test_merged_parts_score_as_the_whole():
    truth, prediction = RANDOM
    merged = scores_of(truth[:70], prediction[:70], NAMES) + scores_of(truth[70:], prediction[70:], NAMES)
    assert merged.to_json() == scores_of(truth, prediction, NAMES).to_json()


@pytest.mark.parametrize(
    ("first", "second", "of_the_sum", "mean_of_both"),
    [
        # a small object missed in one image and found in the other
        (([1, 0, 0, 0], [0, 0, 0, 0]), ([1, 1, 1, 1], [1, 1, 1, 1]), (3 / 4 + 4 / 5) / 2, (3 / 8 + 1) / 2),
        # images of different size
        (([0, 1], [1, 0]), ([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]), 3 / 5, 1 / 2),
        # a class that only one image shows
        (([0, 0], [0, 0]), ([0, 1], [0, 0]), (3 / 4 + 0) / 2, (1 + 1 / 4) / 2),
    ],
)
def test_the_score_of_a_set_is_not_the_mean_of_its_images_scores(first, second, of_the_sum, mean_of_both):
    one, two = scores_of(*first, ("ground", "object")), scores_of(*second, ("ground", "object"))
    assert (one + two).mean_iou == pytest.approx(of_the_sum, abs=1e-12)
    assert (one.mean_iou + two.mean_iou) / 2 == pytest.approx(mean_of_both, abs=1e-12)
    assert of_the_sum != pytest.approx(mean_of_both, abs=0.05)


def test_the_rule_is_what_is_computed():
    absent = scores_of([0, 1], [0, 1], NAMES)
    predicted_only = scores_of([0, 1, 255], [0, 1, 2], NAMES) + scores_of([0], [2], NAMES)
    assert "absent from both truth and prediction over the whole set is excluded" in absent.rule
    assert absent.mean_iou == 1.0
    assert "predicted but never true counts with IoU 0" in predicted_only.rule
    assert predicted_only.mean_iou == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert math.isnan(predicted_only.per_class_accuracy["tram"])


def test_json_has_the_python_names_and_null_for_nan():
    scores = scores_of(*CASES["absent from both"], NAMES)
    read = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert read["per_class_iou"]["tram"] is None
    assert read["mean_iou"] == scores.mean_iou
    assert set(read) == {*SUMMARY, *PER_CLASS, "support", "rule", "names", "matrix"}
    assert Scores(np.array(read["matrix"]), read["names"]).to_json() == scores.to_json()


def test_the_table_is_aligned_and_says_the_rule():
    scores = Scores(np.diag([1_500_000, 20, 0]), ("sky", "a long name", "tram"))
    lines = scores.table().splitlines()
    assert lines[0].split() == ["class", "IoU", "Dice", "accuracy", "support"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[1].split() == ["sky", "1.0000", "1.0000", "1.0000", "1,500,000"]
    assert lines[3].split() == ["tram", "-", "-", "-", "0"]
    assert f"mean_iou                {scores.mean_iou:.4f}" in lines
    assert lines[-1] == scores.rule


def test_the_matrix_is_a_copy_that_cannot_be_written():
    matrix = np.eye(2, dtype=np.int64)
    scores = Scores(matrix, ("a", "b"))
    matrix[0, 0] = 7
    assert scores.support == {"a": 1, "b": 1}
    with pytest.raises(ValueError, match="read-only"):
        scores.matrix[0, 0] = 7


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.eye(3, dtype=np.int64), ("a", "b"), r"`matrix` \(3, 3\) must be \(K, K\) for the K = 2 names"),
        (np.eye(2, dtype=np.int64), ("a", "a"), "`names` holds `a` twice"),
        (-np.eye(2, dtype=np.int64), ("a", "b"), "`matrix` holds -1, but counts"),
    ],
)
def test_refusals(matrix, names, message):
    with pytest.raises(ArgumentError, match=message):
        Scores(matrix, names)


def test_scores_of_other_classes_do_not_merge():
    eye = np.eye(2, dtype=np.int64)
    with pytest.raises(ArgumentError, match=r"\('a', 'b'\) and \('b', 'a'\) cannot be merged"):
        Scores(eye, ("a", "b")) + Scores(eye, ("b", "a"))
