"""Trimaps and levels: what boxes say, what is refused."""

import numpy as np
import pytest

from intarsia.energies.levels import levels_of
from intarsia.energies.trimap import (
    checked_trimap,
    enlarged,
    halved_trimap,
    probably,
    trimap_of_box,
    trimap_of_mask,
    window_of,
    with_labels,
)
from intarsia.errors import ArgumentError


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((2, 1, 5, 3), (1, 3), (2, 5)),
        ((-4, -4, 2, 2), (0, 2), (0, 2)),
        ((7, 5, 99, 99), (5, 6), (7, 8)),
        ((3, 3, 4, 4), (3, 4), (3, 4)),
    ],
)
def test_a_box_is_cut_to_the_image(box, rows, columns):
    wanted = np.zeros((6, 8), np.uint8)
    wanted[slice(*rows), slice(*columns)] = 3
    np.testing.assert_array_equal(trimap_of_box(box, (6, 8)), wanted)


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ((3, 3, 3, 5), r"`box` \(=\(3, 3, 3, 5\)\) encloses nothing; it must be left, top, right, bottom, as in"),
        ((3, 5, 4, 1), r"encloses nothing"),
        ((8, 0, 9, 3), r"lies outside of the image of 8×6 pixels; draw it inside\."),
        ((-5, 0, 0, 3), r"lies outside"),
        ((0, 0, 8, 6), r"covers the whole image of 8×6 pixels, but colours .* leave a margin, or give a `trimap`\."),
        ((1, 2, 3), r"`box` \(=\(1, 2, 3\)\) must be four whole numbers: left, top, right, bottom\."),
        ((1.5, 2, 3, 4), r"must be four whole numbers"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_other_boxes_are_refused(box, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        trimap_of_box(box, (6, 8))


@pytest.mark.parametrize("band", [0, 0.5, 1, 2.3, 4, 50])
def test_a_mask_knows_what_lies_farther_from_its_outline_than_it_may_be_off(band):
    """Every pixel is compared with the nearest one of the other side."""
    mask = np.random.default_rng(0).random((9, 13)) < 0.5
    mask[:, 7:] = True
    places = np.argwhere(np.ones(mask.shape, bool)).reshape(*mask.shape, 2)
    for place in np.ndindex(mask.shape):
        nearest = np.hypot(*(places[mask != mask[place]] - place).T).min()
        assert trimap_of_mask(mask, band)[place] == mask[place] + 2 * (nearest <= band)


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_without_an_outline_is_certain(value):
    np.testing.assert_array_equal(trimap_of_mask(np.full((3, 4), value), 9), np.full((3, 4), value))


@pytest.mark.parametrize("band", [-1, np.inf, np.nan])
def test_other_bands_are_refused(band):
    with pytest.raises(ArgumentError, match=r"`band` \(=.*\) must be a number of pixels from 0 on\."):
        trimap_of_mask(np.eye(3, dtype=bool), band)


@pytest.mark.parametrize(
    ("trimap", "complaint"),
    [
        (np.zeros((3, 4), np.uint8), r"`trimap` has the shape \(3, 4\); the image has 2 rows and 2 columns\."),
        (np.full((2, 2), 4, np.uint8), r"`trimap` holds \[4\]; its codes are 0 background, 1 foreground, 2 probably"),
        (np.full((2, 2), -1), r"`trimap` holds \[-1\]"),
        (np.zeros((2, 2)), r"`trimap` holds float64; its codes are"),
    ],
)
def test_other_trimaps_are_refused(trimap, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        checked_trimap(trimap, (2, 2))


def test_labels_change_what_is_not_known():
    trimap, labels = np.array([[0, 1, 2, 3]], np.uint8), np.array([[True, False, True, False]])
    np.testing.assert_array_equal(with_labels(trimap, labels), [[0, 1, 3, 2]])
    np.testing.assert_array_equal(probably(trimap), [[False, True, False, True]])


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [((2, 1, 5, 3), (0, 4), (1, 6)), ((0, 0, 1, 1), (0, 2), (0, 2)), ((4, 3, 8, 6), (2, 6), (3, 8))],
)
def test_the_window_holds_the_box_and_a_margin(box, rows, columns):
    assert window_of(trimap_of_box(box, (6, 8)))[0].indices(6)[:2] == rows
    assert window_of(trimap_of_box(box, (6, 8)))[1].indices(8)[:2] == columns


def test_half_a_trimap_knows_what_four_pixels_agree_on():
    trimap = np.array([[0, 0, 1, 1, 3], [0, 0, 1, 1, 3], [0, 1, 3, 3, 0]], np.uint8)
    np.testing.assert_array_equal(halved_trimap(trimap), [[0, 1, 3], [3, 3, 0]])
    labels = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(enlarged(labels, (3, 4)), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])


def test_levels_give_the_image_back():
    generator = np.random.default_rng(0)
    for image in (
        generator.integers(0, 256, (5, 6, 3), np.uint8)[::-1, ::2],
        generator.integers(0, 65536, (5, 6), np.uint16),
        generator.normal(1e6, 3, (5, 6, 2)),
        generator.random((5, 6)) < 0.5,
        np.full((2, 2), -7),
    ):
        levels = levels_of(image)
        shaped = image.reshape(*image.shape[:2], -1).astype(float)
        np.testing.assert_allclose(levels.black + levels.step * levels.values, shaped, rtol=1e-7, atol=1e-6)
        assert levels.values.flags.c_contiguous
        assert levels.values.min() >= 0
        assert levels.values.max() <= 256


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (np.zeros(3), r"`image` has the shape \(3,\); it must be \(H, W\) or \(H, W, C\), and none of them 0\."),
        (np.zeros((0, 4, 3)), r"`image` has the shape \(0, 4, 3\)"),
        (np.zeros((2, 2), complex), r"`image` holds complex128; samples must be real numbers: convert it\."),
        (
            np.array([[0.0, 1.0], [np.nan, 0.0]]),
            r"`image` is nan at row 1, column 0, channel 0; samples must be finite",
        ),
        (np.array([[0.0, np.inf]]), r"`image` is inf at row 0, column 1"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_other_images_are_refused(image, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        levels_of(image)
