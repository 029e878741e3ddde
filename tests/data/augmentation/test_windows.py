"""A view needs its window alone, and every channel count is a matter of channels."""

import re
from dataclasses import replace

import numpy as np
import pytest
from views import picture, plain

from intarsia.data import Augmentation, augment, generator_for, plan_view
from intarsia.errors import ArgumentError

STRENGTHS = {
    "cut": {},
    "turned": {"rotation": 180.0},
    "bent": {"elastic": 2.0},
    "all": {"rotation": 30.0, "elastic": 2.0, "blur": (0.0, 1.0)},
}


@pytest.mark.parametrize("strengths", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("size", [(90, 70), (33, 200), (5, 9), (1, 1), (9000, 21)])
@pytest.mark.parametrize("scale", [(0.2, 0.9), (1.0, 1.0), (1.0, 3.0)])
def test_a_window_gives_what_the_whole_image_gives(strengths, size, scale):
    image, mask = picture(*size)
    whole = (slice(0, size[0]), slice(0, size[1]))
    for index in range(12):
        view = plan_view(size, Augmentation((40, 32), scale, **strengths), generator_for(0, 0, index))
        image_window, mask_window = (pixels[view.window] for pixels in (image, mask))
        assert mask_window.shape == tuple(part.stop - part.start for part in view.window)  # it lies within
        found = view.apply(image_window, mask_window)
        expected = replace(view, window=whole).apply(image, mask)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("strengths", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_windows_are_as_small_as_what_is_seen(strengths, scale):
    diagonal = np.hypot(40, 32) + 2 * 2.0 * 4 * 1.6  # four standard deviations of the displacements and an overshoot
    for index in range(20):
        augmentation = Augmentation((40, 32), (scale, scale), **strengths)
        window = plan_view((30_000, 40_000), augmentation, generator_for(0, 0, index)).window
        assert max(part.stop - part.start for part in window) <= (diagonal if strengths else 40) / scale + 12


@pytest.mark.parametrize("strengths", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 12])
def test_every_channel_goes_its_own_way(strengths, scale, channels):
    image, mask = picture(50, 60, channels=channels)
    augmentation = plain((48, 40), scale=(scale, scale), flip=0.5, **strengths)
    new_image, new_mask = augment(image, mask, augmentation, generator_for(0, 0, 3))
    assert new_image.shape == (48, 40, channels)
    for channel in range(channels):
        one, one_mask = augment(image[:, :, [channel]], mask, augmentation, generator_for(0, 0, 3))
        inside = new_mask != 255
        np.testing.assert_array_equal(new_image[inside][:, channel], one[inside][:, 0])
        np.testing.assert_array_equal(new_mask, one_mask)


def test_a_new_strength_leaves_what_was_drawn_before_alone():
    augmentation = Augmentation((64, 64))
    before = plan_view((90, 80), augmentation, generator_for(0, 0, 0))
    more = replace(augmentation, rotation=20.0, elastic=3.0, blur=(1.0, 2.0), blur_probability=1.0)
    after = plan_view((90, 80), more, generator_for(0, 0, 0))
    assert (after.rows, after.columns, after.flipped) == (before.rows, before.columns, before.flipped)
    assert replace(after.look, blur=0.0) == before.look
    assert after.look.blur > 0
    assert before.warp is None


def test_a_view_takes_its_window_and_nothing_else():
    view = plan_view((50, 60), plain((8, 8)), generator_for(0, 0, 0))
    image, mask = picture(50, 60)
    height, width = (part.stop - part.start for part in view.window)
    sentence = f"must be the view's window, which has ({height}, {width}) pixels"
    with pytest.raises(ArgumentError, match=re.escape(f"The image (=(50, 60)) {sentence}")):
        view.apply(image, mask[view.window])
    with pytest.raises(ArgumentError, match=re.escape(f"The mask (=(50, 60)) {sentence}")):
        view.apply(image[view.window], mask)
