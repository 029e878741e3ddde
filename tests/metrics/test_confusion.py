"""The confusion matrix against a loop over pixels, and its laws."""

import numpy as np
import pytest

from intarsia.errors import ArgumentError
from intarsia.kernels import confusion
from intarsia.metrics import confusion_matrix


def count_pixel_by_pixel(truth, prediction, classes, ignore):
    matrix = [[0] * classes for _ in range(classes)]
    for row, column in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if ignore not in (row, column):
            matrix[row][column] += 1
    return np.array(matrix)


def random_masks(classes, shape, ignore, dtype, seed=0):
    generator = np.random.default_rng(seed)
    masks = generator.integers(0, classes, size=(2, *shape)).astype(dtype)
    masks[generator.random(masks.shape) < 0.1] = ignore
    return masks


@pytest.mark.parametrize(
    ("classes", "shape", "ignore", "dtype"),
    [
        (1, (5, 7), 255, np.uint8),
        (2, (31, 17), 255, np.uint8),
        (21, (64, 48), 255, np.uint8),
        (255, (40, 40), 255, np.uint8),  # the most classes a uint8 mask holds
        (300, (40, 40), 65535, np.uint16),  # 300 · 300 joint indices need 32 bits
        (7, (0, 9), 255, np.uint8),
        (7, (9, 0), 255, np.uint8),
    ],
)
def test_equals_a_loop_over_pixels(classes, shape, ignore, dtype):
    truth, prediction = random_masks(classes, shape, ignore, dtype)
    matrix = confusion_matrix(truth, prediction, classes, ignore)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, count_pixel_by_pixel(truth, prediction, classes, ignore))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("block", [1, 50, 64, 10_000])
def test_blocks_of_rows_do_not_show(monkeypatch, block, dtype):
    truth, prediction = random_masks(5, (23, 50), 255, dtype)
    whole = confusion_matrix(truth, prediction, 5)
    monkeypatch.setattr(confusion, "_BLOCK_PIXELS", block)
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 5), whole)


def test_exchanging_the_sides_transposes():
    truth, prediction = random_masks(6, (40, 40), 255, np.uint8)
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 6), confusion_matrix(truth, prediction, 6).T)


def test_masks_of_both_widths_agree():
    truth, prediction = random_masks(6, (40, 40), 255, np.uint8)
    wide = confusion_matrix(truth.astype(np.uint16), prediction, 6)
    np.testing.assert_array_equal(wide, confusion_matrix(truth, prediction, 6))


@pytest.mark.parametrize(("truth", "prediction"), [(255, 200), (200, 255), (255, 255)])
def test_an_ignored_pixel_may_hold_anything_on_the_other_side(truth, prediction):
    masks = np.array([[truth]], dtype=np.uint8), np.array([[prediction]], dtype=np.uint8)
    assert confusion_matrix(*masks, classes=3).sum() == 0


ONE = np.zeros((2, 3), dtype=np.uint8)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("truth", "prediction", "classes", "ignore", "message"),
    [
        (ONE + 9, ONE, 3, 255, "`truth` holds the value 9, but with 3 classes the largest index is 2"),
        (ONE, ONE + 3, 3, 255, "`prediction` holds the value 3, but with 3 classes"),
        (ONE.astype(np.uint16) + 900, ONE, 3, 65535, "`truth` holds the value 900, but with 3 classes"),
        (ONE, ONE.astype(np.uint16) + 900, 3, 65535, "`prediction` holds the value 900, but with 3 classes"),
        (ONE, ONE.T, 3, 255, r"`truth` \(2, 3\) and `prediction` \(3, 2\) must have one shape"),
        (ONE[0], ONE[0], 3, 255, r"`truth` \(shape \(3,\), uint8\) must be an \(H, W\) mask"),
        (ONE, ONE.astype(np.int64), 3, 255, r"`prediction` .* int64\) must be an \(H, W\) mask of uint8 or uint16"),
        (ONE, ONE, 0, 255, r"`classes` \(=0\) must be at least 1"),
        (ONE, ONE, 300, 255, r"`ignore` \(=255\) must not be one of the 300 classes; .* `ignore=65535`"),
    ],
)
def test_refusals_name_the_value_and_the_side(truth, prediction, classes, ignore, message):
    with pytest.raises(ArgumentError, match=message):
        confusion_matrix(truth, prediction, classes, ignore)
