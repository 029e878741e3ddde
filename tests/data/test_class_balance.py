"""Class weights and image weights by the rules of their papers."""

import numpy as np
import pytest

from intarsia.data import Classes, open_dataset
from intarsia.data.checking import check
from intarsia.data.class_balance import (
    BETA,
    CLASS_WEIGHTS,
    class_histogram,
    effective_number,
    inverse,
    median_frequency,
    rarity,
)
from intarsia.shapes import Mask, Picture, Window

HISTOGRAM = np.array([[50, 0, 30, 0], [10, 70, 0, 0], [40, 0, 0, 0], [5, 3, 0, 0]])


class Given:
    """A sample that is its mask."""

    def __init__(self, mask: Mask) -> None:
        self.mask_pixels, self.name = mask, "given"

    def shape(self) -> tuple[int, int]:
        return self.mask_pixels.shape[0], self.mask_pixels.shape[1]

    def image(self, window: Window | None = None) -> Picture:
        raise AssertionError("images have no classes")

    def mask(self, window: Window | None = None) -> Mask:
        return self.mask_pixels if window is None else self.mask_pixels[window]


def test_the_histogram_counts_pixels_without_the_ignored() -> None:
    masks = [np.array([[0, 2, 255], [2, 2, 0]], np.uint8), np.full((2, 2), 255, np.uint8)]
    found = class_histogram([Given(mask) for mask in masks], Classes.numbered(4))
    assert found.tolist() == [[2, 0, 3, 0], [0, 0, 0, 0]]
    assert class_histogram([], Classes.numbered(4)).shape == (0, 4)
    many = Classes.numbered(300)
    assert class_histogram([Given(np.array([[299, 255, 65535]], np.uint16))], many)[0].nonzero()[0].tolist() == [
        255,
        299,
    ]


def test_inverse_is_inverse() -> None:
    weights = inverse(HISTOGRAM)
    assert weights[3] == 0
    assert np.ptp(weights[:3] * HISTOGRAM.sum(0)[:3]) < 1e-12
    assert weights[:3].mean() == pytest.approx(1)


def test_median_frequency_is_that_of_the_check() -> None:
    report = check("sample:brain")
    samples, classes = report.usable().split("train"), report.usable().classes
    found = median_frequency(class_histogram(samples, classes))
    np.testing.assert_allclose(found, list(report.weights.values()))
    frequencies = np.array([105 / 208, 73 / 88, 30 / 80])  # by hand, of the histogram above
    np.testing.assert_allclose(median_frequency(HISTOGRAM), [*(105 / 208 / frequencies), 0])


def test_the_effective_number_lies_between_none_and_inverse_image_frequency() -> None:
    images = np.array([9000, 30, 1])
    histogram = np.repeat(np.tri(3, dtype=int)[::-1], [1, 29, 8970], axis=0)  # so many images hold each class
    np.testing.assert_array_equal((histogram > 0).sum(0), images)
    found = effective_number(histogram)
    terms = [sum(BETA**i for i in range(n)) for n in images]  # 1 + β + β² …, one for each image
    np.testing.assert_allclose(found[2] / found, terms, rtol=1e-9)
    assert found.mean() == pytest.approx(1)


@pytest.mark.parametrize("rule", CLASS_WEIGHTS)
def test_sets_without_classes_give_zeros(rule: str) -> None:
    for histogram in (np.zeros((0, 3), int), np.zeros((2, 3), int)):
        assert CLASS_WEIGHTS[rule](histogram).tolist() == [0, 0, 0]


def test_rarity_is_the_rarest_classes() -> None:
    shares = [1, 1 / 2, 1 / 4]
    np.testing.assert_allclose(rarity(HISTOGRAM), [1 / shares[2] ** 0.5, 1 / shares[1] ** 0.5, 1, 1 / shares[1] ** 0.5])
    assert rarity(np.zeros((2, 3), int)).tolist() == [1, 1]
    assert rarity(np.array([[0, 0], [4, 0], [4, 2]])).tolist() == pytest.approx([1.5**0.5, 1.5**0.5, 3**0.5])


def test_the_built_in_mosaics_are_counted() -> None:
    dataset = open_dataset("sample:materials")
    few = dataset.split("val")[:2]
    assert class_histogram(few, dataset.classes).sum() == sum(sample.mask().size for sample in few)
