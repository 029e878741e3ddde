"""Scores of borders against every pair of pixels in plain Python, and their laws."""

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from intarsia.errors import ArgumentError
from intarsia.metrics import BoundaryScores, Scores, boundary_scores, confusion_matrix

NAMES = ("sky", "road", "tram", "tree")
RADII = (1, 1.5, 2, 3)


def random_masks(seed: int, shape: tuple[int, int] = (11, 9), ignored: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of classes 0 … 2 (the tree grows nowhere), partly alike, with ignored pixels on both sides."""
    generator = np.random.default_rng(seed)
    truth = np.kron(generator.integers(0, 3, (4, 3)), np.ones((3, 3), int))[: shape[0], : shape[1]]
    prediction = np.where(generator.random(shape) < 0.2, generator.integers(0, 3, shape), np.roll(truth, 1, 1))
    for mask in (truth, prediction):
        mask[generator.random(shape) < ignored / 2] = 255
    return truth.astype(np.uint8), prediction.astype(np.uint8)


def reference_contour(mask, other, index):
    """Places of a class beside a place of another one, both of them known on both sides."""
    rows, columns = mask.shape
    known = {
        place: int(mask[place])
        for place in product(range(rows), range(columns))
        if 255 not in (mask[place], other[place])
    }
    around = ((-1, 0), (1, 0), (0, -1), (0, 1))
    return [
        (row, column)
        for (row, column), value in known.items()
        if value == index and any(known.get((row + dy, column + dx), index) != index for dy, dx in around)
    ]


def reference_f(pairs, index, radius):
    """One class over several images, each distance measured."""
    lengths, matched = [0, 0], [0, 0]
    for truth, prediction in pairs:
        sides = reference_contour(truth, prediction, index), reference_contour(prediction, truth, index)
        for side in (0, 1):
            lengths[side] += len(sides[side])
            matched[side] += sum(any(math.dist(p, q) <= radius for q in sides[1 - side]) for p in sides[side])
    if not any(lengths):
        return math.nan
    recall, precision = (m / n if n else 0.0 for m, n in zip(matched, lengths, strict=True))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def reference_trimap_iou(pairs, radius):
    matrix = np.zeros((len(NAMES), len(NAMES)), np.int64)
    for truth, prediction in pairs:
        contour = [place for index in range(len(NAMES)) for place in reference_contour(truth, prediction, index)]
        near = np.full(truth.shape, 255, np.uint8)
        for place in np.ndindex(truth.shape):
            if any(math.dist(place, other) < radius for other in contour):
                near[place] = truth[place]
        matrix += confusion_matrix(near, prediction, len(NAMES))
    return Scores(matrix, NAMES).mean_iou


def test_sums_over_images_are_what_plain_loops_count() -> None:
    pairs = [random_masks(seed) for seed in range(4)]
    total = sum((boundary_scores(*pair, NAMES, RADII) for pair in pairs), BoundaryScores.nothing(NAMES, RADII))
    for radius in RADII:
        for index, name in enumerate(NAMES):
            expected = reference_f(pairs, index, radius)
            assert total.per_class_boundary_f[radius][name] == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert total.trimap_iou[radius] == pytest.approx(reference_trimap_iou(pairs, radius), abs=1e-12)
    assert math.isnan(total.per_class_boundary_f[1]["tree"])
    assert total.boundary_f[2] == pytest.approx(np.mean([reference_f(pairs, index, 2) for index in range(3)]))


def square(left: int, size: int = 24) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[8:16, left : left + 8] = 1
    return mask


def test_equal_masks_are_perfect_and_masks_without_borders_have_no_score() -> None:
    truth, _ = random_masks(0)
    assert set(boundary_scores(truth, truth, NAMES).boundary_f.values()) == {1.0}
    plain = np.zeros((6, 6), np.uint8)
    scores = boundary_scores(plain, plain, NAMES)
    assert all(map(math.isnan, [*scores.boundary_f.values(), *scores.trimap_iou.values()]))


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_a_shift_is_forgiven_from_its_own_length_on(shift: int) -> None:
    scores = boundary_scores(square(8), square(8 + shift), ("ground", "square"), radii=(1, 2, 3))
    for radius, f in scores.boundary_f.items():
        assert (f == 1) == (radius >= shift)


def test_both_sides_are_alike_to_f_and_all_directions_too() -> None:
    truth, prediction = random_masks(3)
    scores = boundary_scores(truth, prediction, NAMES)
    for other in (
        boundary_scores(prediction, truth, NAMES),
        boundary_scores(truth[::-1], prediction[::-1], NAMES),
        boundary_scores(truth.T, prediction.T, NAMES),
    ):
        assert other.boundary_f == pytest.approx(scores.boundary_f)


def test_a_contour_on_one_side_only_is_worth_nothing() -> None:
    scores = boundary_scores(square(8), np.zeros((24, 24), np.uint8), ("ground", "square"))
    assert set(scores.boundary_f.values()) == {0.0}


def test_what_is_ignored_has_no_border() -> None:
    truth = square(8)
    banded = truth.copy()
    banded[6:18, 6:18] = 255
    banded[9:15, 9:15] = 1  # as VOC draws it: nobody knows where the object ends
    assert all(map(math.isnan, boundary_scores(banded, truth, ("ground", "square")).boundary_f.values()))
    assert boundary_scores(banded, truth, ("ground", "square")).lengths.sum() == 0


def test_large_masks_of_16_bits() -> None:
    truth, prediction = (mask.astype(np.uint16) for mask in random_masks(1, ignored=0))
    scores = boundary_scores(truth, prediction, NAMES, ignore=65535)
    assert scores.boundary_f == boundary_scores(*random_masks(1, ignored=0), NAMES).boundary_f


@pytest.mark.parametrize("ignore", [65535, -1])
def test_nothing_is_ignored_where_the_masks_cannot_hold_the_index(ignore: int) -> None:
    masks = random_masks(1, ignored=0)
    scores, expected = boundary_scores(*masks, NAMES, ignore=ignore), boundary_scores(*masks, NAMES)
    np.testing.assert_array_equal(scores.near, expected.near)
    assert scores.boundary_f == expected.boundary_f


def test_they_are_written_and_shown() -> None:
    scores = boundary_scores(*random_masks(2), NAMES, (1, 2.5))
    said = json.loads(json.dumps(scores.to_json()))
    assert said["boundary_f"] == {"1": scores.boundary_f[1], "2.5": scores.boundary_f[2.5]}
    assert said["per_class_boundary_f"]["1"]["tree"] is None
    lines = scores.table().splitlines()
    assert lines[0].split() == ["boundary", "F", "1", "px", "2.5", "px"]
    assert lines[4].split() == ["tree", "-", "-"]
    assert lines[-2].split() == ["trimap_iou", *(f"{value:.4f}" for value in scores.trimap_iou.values())]


@pytest.mark.parametrize("radii", [(), (0,), (1, -2), (math.inf,), (math.nan,)])
def test_distances_are_positive(radii: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"`radii` \(=.*\) must be positive distances in pixels"):
        boundary_scores(square(8), square(8), ("ground", "square"), radii)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("radii", [5, ("1",), "12", np.array(3), np.ones((1, 2)), {1: 2}])
def test_distances_are_numbers_in_a_row(radii: Any) -> None:
    with pytest.raises(ArgumentError, match=r"`radii` \(=.*\) must be positive distances in pixels"):
        BoundaryScores.nothing(NAMES, radii)


@pytest.mark.usefixtures("unchecked_shapes")
def test_distances_may_be_an_array() -> None:
    radii: Any = np.array([1, 2.5])
    assert BoundaryScores.nothing(NAMES, radii).radii == (1.0, 2.5)


@pytest.mark.parametrize("radii", [(1, 1), (2, 1, 1 + 1e-9)])
def test_no_distance_comes_twice(radii: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"`radii` \(=.*\) must differ in their first six digits; leave out what"):
        BoundaryScores.nothing(NAMES, radii)


def test_other_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"at .* pixels and .* cannot be merged; classes and radii must agree"):
        BoundaryScores.nothing(NAMES) + BoundaryScores.nothing(NAMES, (1,))
    with pytest.raises(ArgumentError, match="holds the value 1, but with 1 classes"):
        boundary_scores(square(8), square(8), ("ground",))
