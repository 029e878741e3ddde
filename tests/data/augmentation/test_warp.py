"""Rotation and elastic deformation: laws, and Pillow's and NumPy's own turns."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from views import blobs, picture, plain, smooth

from intarsia.data import augment, generator_for, plan_view
from intarsia.data.augmentation.warp import Warp, displacement_field, draw_displacement


def warped(image, mask, warp, crop_size=None, scale=1.0, seed=0):
    """A view with a warp that is given instead of drawn."""
    augmentation = plain(crop_size or mask.shape, scale=(scale, scale))
    view = plan_view(mask.shape, augmentation, generator_for(seed, 0, 0))
    whole = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    return replace(view, warp=warp, window=whole).apply(image, mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
def test_quarter_turns_are_numpys(quarters, dtype):
    image, mask = picture(37, 37, dtype)
    new_image, new_mask = warped(image, mask, Warp(90.0 * quarters))
    np.testing.assert_array_equal(new_image, np.rot90(image, quarters))
    np.testing.assert_array_equal(new_mask, np.rot90(mask, quarters))
    assert new_mask.dtype == dtype


@pytest.mark.parametrize("angle", [-70.0, 10.0, 33.0])
def test_any_turn_is_pillows(angle):
    image, mask = blobs(101, 80)
    new_image, new_mask = warped(image, mask, Warp(angle))
    turned = Image.fromarray(mask).rotate(angle, Image.Resampling.NEAREST, fillcolor=255)
    assert (np.asarray(turned) != new_mask).mean() < 0.002
    image = smooth(101, 80)
    new_image, new_mask = warped(image, mask, Warp(angle))
    turned = Image.fromarray(image[:, :, 0]).rotate(angle, Image.Resampling.BILINEAR)
    inside = new_mask != 255
    # Pillow rounds down.
    np.testing.assert_allclose(new_image[:, :, 0][inside], np.asarray(turned)[inside] + 0.5, atol=0.51)


@pytest.mark.parametrize("angle", [25.0, 140.0])
def test_a_turn_there_and_back_is_the_identity(angle):
    image, mask = smooth(120, 120), blobs(120, 120)[1]
    there, mask_there = warped(image, mask, Warp(angle))
    back, mask_back = warped(there, mask_there, Warp(-angle))
    y, x = np.mgrid[:120, :120] - 59.5
    disc = np.hypot(y, x) < 57
    np.testing.assert_allclose(back[disc].astype(int), image[disc].astype(int), atol=3)
    assert (mask_back[disc] != mask[disc]).mean() < 0.06  # two nearest neighbours are half a pixel apart at most


@pytest.mark.parametrize("scale", [0.4, 0.77, 1.0, 1.9])
@pytest.mark.parametrize("crop_size", [(64, 48), (150, 170)])
def test_a_warp_that_moves_nothing_is_a_cut(scale, crop_size):
    image, mask = picture(70, 90)
    augmentation = plain(crop_size, scale=(scale, scale))
    new_image, new_mask = warped(
        image, mask, Warp(0.0, draw_displacement(0.0, crop_size, generator_for(0))), crop_size, scale
    )
    expected = augment(image, mask, augmentation, generator_for(0, 0, 0))
    np.testing.assert_array_equal(new_mask, expected[1])
    np.testing.assert_allclose(new_image.astype(int), expected[0].astype(int), atol=1)


KINDS = {
    "scale": {},
    "rotation": {"rotation": 180.0},
    "elastic": {"elastic": 6.0},
    "all": {"rotation": 45.0, "elastic": 4.0},
}


@pytest.mark.parametrize("strengths", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_image_and_mask_stay_aligned(strengths, seed):
    image, mask = blobs(120, 150)
    augmentation = plain((96, 96), scale=(0.5, 2.0), flip=0.5, **strengths)
    new_image, new_mask = augment(image, mask, augmentation, generator_for(seed, 0, 0))
    valid = new_mask != 255
    grey = new_image[:, :, 0]
    clear = valid & ((grey < 20) | (grey > 235))  # away from the blurred borders
    assert clear.mean() > 0.2
    np.testing.assert_array_equal(grey[clear] > 128, new_mask[clear] == 1)
    # The blurred borders lie on both sides alike: the image's mean over valid pixels is the mask's.
    assert abs(grey[valid].mean() / 255 - new_mask[valid].mean()) < 0.004


def test_turning_keeps_areas_and_scale_squares_them():
    mask = np.zeros((128, 100), np.uint8)
    image = np.zeros((128, 100, 1), np.uint8)
    for scale in (0.5, 1.0, 1.6):
        augmentation = plain((400, 400), scale=(scale, scale), rotation=180.0)
        # Turned about its own middle, a picture may still leave a crop at whose edge it lies: the largest is whole.
        areas = [(augment(image, mask, augmentation, generator_for(0, 0, i))[1] == 0).sum() for i in range(30)]
        assert abs(max(areas) / (128 * 100 * scale**2) - 1) < 0.02


def test_angles_are_uniform():
    angles = [plan_view((9, 9), plain((9, 9), rotation=40.0), generator_for(0, 0, i)).warp.angle for i in range(2000)]
    assert -40 <= min(angles) < -39
    assert 39 < max(angles) <= 40
    assert abs(np.mean(angles)) < 1.5
    assert abs(np.std(angles) - 80 / np.sqrt(12)) < 0.8


@pytest.mark.parametrize(("crop_size", "nodes"), [((512, 512), (3, 3)), ((64, 64), (3, 3)), ((100, 205), (3, 5))])
def test_three_nodes_lie_over_the_shorter_side(crop_size, nodes):
    drawn = draw_displacement(1.0, crop_size, generator_for(0))
    assert drawn.shape == (2, nodes[0] + 2, nodes[1] + 2)  # and a ring beyond the edges


def test_displacements_have_the_stated_deviation_at_their_nodes():
    fields = []
    for i in range(600):
        nodes = draw_displacement(10.0, (163, 163), generator_for(i))
        field = displacement_field(nodes, (163, 163))
        np.testing.assert_allclose(field[:, 81, 81], nodes[:, 2, 2], atol=1e-12)  # the middle pixel is the middle node
        fields.append(field)
    deviations = np.std(fields, axis=0)
    np.testing.assert_allclose(deviations[:, 81, 81], 10, rtol=0.08)
    np.testing.assert_allclose(deviations[:, ::162, ::162], 10, rtol=0.1)
    assert deviations.min() > 5  # halfway between four nodes: 10 × (2 (9/16)² + 2 (1/16)²) = 6.4
    assert abs(np.mean(fields)) < 0.3


def test_the_cubic_reproduces_quadratics():
    y, x = np.mgrid[-1:4, -1:4] * 40.0  # five nodes at a spacing of 40, the middle three over 80 pixels
    quadratic = np.stack([0.3 * y - 0.002 * y * x, 5 + 0.1 * x + 0.001 * x**2 - 0.004 * y**2])
    y, x = np.mgrid[:80, :80] + 0.5
    expected = np.stack([0.3 * y - 0.002 * y * x, 5 + 0.1 * x + 0.001 * x**2 - 0.004 * y**2])
    np.testing.assert_allclose(displacement_field(quadratic, (80, 80)), expected, atol=1e-10)


def test_the_strongest_elastic_deformation_hardly_folds():
    folded = []
    for i in range(50):
        view = plan_view((300, 300), plain((128, 128), elastic=8.0), generator_for(0, 0, i))
        y, x = view.warp.positions(view.rows, view.columns, view.crop_size)
        area = (
            np.diff(y, axis=0)[:, :-1] * np.diff(x, axis=1)[:-1] - np.diff(y, axis=1)[:-1] * np.diff(x, axis=0)[:, :-1]
        )
        folded.append((area <= 0).mean())
    assert np.mean(folded) < 0.005


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_an_elastic_view_shows_its_displacements(scale):
    """An image of its own coordinates shows where each pixel comes from."""
    y, x = np.mgrid[:240, :240]
    image = np.stack([y, x], axis=2).astype(np.uint8)
    mask = np.zeros((240, 240), np.uint8)
    augmentation = plain((100, 100), scale=(scale, scale), elastic=5.0)
    view = plan_view((240, 240), augmentation, generator_for(0, 0, 0))
    new_image, new_mask = view.apply(image[view.window], mask[view.window])
    down, right = displacement_field(view.warp.displacement, (100, 100))
    inside = new_mask == 0
    rows, columns = np.mgrid[:100, :100] + 0.5
    origin = view.rows.start - view.rows.place, view.columns.start - view.columns.place
    expected = [(rows + down + origin[0]) / scale - 0.5, (columns + right + origin[1]) / scale - 0.5]
    for found, position in zip(np.moveaxis(new_image, 2, 0), expected, strict=True):
        clear = inside & (position > 2) & (position < 237)
        np.testing.assert_allclose(found[clear], position[clear], atol=1.01)
