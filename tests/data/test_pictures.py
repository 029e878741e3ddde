import re

import numpy as np
import pytest

from intarsia.data import Classes, as_rgb, colourise, contact_sheet, overlay
from intarsia.data.colours import IGNORE_COLOUR
from intarsia.errors import ArgumentError

CLASSES = Classes(("sky", "road"), ((80, 160, 255), (90, 90, 90)))
GREY = np.full((6, 6, 3), 100, np.uint8)


@pytest.mark.parametrize(
    ("classes", "dtype"), [(CLASSES, np.uint8), (CLASSES, np.uint16), (Classes.numbered(300), np.uint16)]
)
def test_every_pixel_gets_its_classes_colour(classes, dtype):
    mask = np.array([[0, 1], [classes.count - 1, classes.ignore]], dtype)
    colours = [classes.colours[0], classes.colours[1], classes.colours[-1], IGNORE_COLOUR]
    np.testing.assert_array_equal(colourise(mask, classes), np.array(colours, np.uint8).reshape(2, 2, 3))


def test_an_overlay_tints_draws_borders_and_leaves_ignored_pixels():
    mask = np.zeros((6, 6), np.uint8)
    mask[:, 3:] = 1
    mask[5] = 255
    shown = overlay(GREY, mask, CLASSES, opacity=0.5)
    assert shown[0, 0].tolist() == [90, 130, 178]  # halfway between 100 and the sky
    assert shown[0, 4].tolist() == [95, 95, 95]
    assert shown[0, 2].tolist() == [36, 72, 115]  # the last column of sky is its border: the colour at 45 %
    assert shown[4, 0].tolist() == [90, 130, 178]  # ignored neighbours make no border
    np.testing.assert_array_equal(shown[5], GREY[5])


@pytest.mark.parametrize(("opacity", "expected"), [(0.0, GREY[0, 0]), (1.0, CLASSES.colours[0])])
def test_opacity_runs_from_the_image_to_the_colours(opacity, expected):
    np.testing.assert_array_equal(overlay(GREY, np.zeros((6, 6), np.uint8), CLASSES, opacity)[0, 0], expected)


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (7, [0, 1, 2])])
def test_any_number_of_channels_can_be_looked_at(channels, shown):
    image = np.random.default_rng(0).integers(0, 256, (6, 5, channels), dtype=np.uint8)
    mask = np.zeros((6, 5), np.uint8)
    np.testing.assert_array_equal(as_rgb(image), image[:, :, shown])
    np.testing.assert_array_equal(overlay(image, mask, CLASSES), overlay(image[:, :, shown], mask, CLASSES))
    np.testing.assert_array_equal(contact_sheet([[image]], cell=20), contact_sheet([[image[:, :, shown]]], cell=20))


def test_a_sheet_holds_each_picture_in_its_cell():
    red, wide = np.full((20, 20, 3), (255, 0, 0), np.uint8), np.full((10, 20, 3), (0, 0, 255), np.uint8)
    plain = contact_sheet([[red, red, red], [wide]], cell=40)
    assert plain.shape == (2 * 46 + 6, 3 * 46 + 6, 3)
    assert (plain == (255, 0, 0)).all(axis=2).sum() == 3 * 40 * 40
    assert (plain == (0, 0, 255)).all(axis=2).sum() == 40 * 20  # the shape of a picture is kept
    titled = contact_sheet([[red, red, red], [wide]], titles=["one", "two", "three"], cell=40)
    assert titled.shape[0] > plain.shape[0]
    assert (titled.max(axis=2) < 100).any()  # ink


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: overlay(GREY, np.zeros((6, 5), np.uint8), CLASSES), "The image (=(6, 6)) and the mask (=(6, 5)) must"),
        (lambda: overlay(GREY, np.zeros((6, 6), np.uint8), CLASSES, 1.5), "`opacity` (=1.5) must lie between 0"),
        (lambda: contact_sheet([]), "A contact sheet needs at least one picture"),
        (lambda: contact_sheet([[GREY]], cell=0), "a `cell` (=0) of at least 1 pixel"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, sentence):
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        call()
