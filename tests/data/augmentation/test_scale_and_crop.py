import re

import numpy as np
import pytest
from PIL import Image
from views import picture, plain

from intarsia.data import Augmentation, augment, generator_for
from intarsia.data.augmentation.colour import PADDING_COLOUR
from intarsia.errors import ArgumentError


def resized_then_cropped(image, mask, crop_size, scale, draws):
    """The slow twin: resize the whole picture, pad it all around, cut the crop out."""
    sizes = [max(1, round(n * scale)) for n in mask.shape]
    image = np.array(Image.fromarray(image).resize(sizes[::-1], Image.Resampling.BILINEAR))
    lookup = [((np.arange(s) + 0.5) * n / s).astype(int) for s, n in zip(sizes, mask.shape, strict=True)]
    mask = mask[np.ix_(*lookup)]
    rows, columns = crop_size
    canvas = np.tile(np.uint8(PADDING_COLOUR), (sizes[0] + 2 * rows, sizes[1] + 2 * columns, 1))
    labels = np.full(canvas.shape[:2], 255, np.uint8)
    canvas[rows : rows + sizes[0], columns : columns + sizes[1]] = image
    labels[rows : rows + sizes[0], columns : columns + sizes[1]] = mask
    corner = []
    for size, crop, draw in zip(sizes, crop_size, draws, strict=True):
        offset = int(draw * (abs(size - crop) + 1))
        corner.append(crop + offset if size >= crop else crop - offset)
    window = tuple(slice(c, c + n) for c, n in zip(corner, crop_size, strict=True))
    return canvas[window], labels[window]


@pytest.mark.parametrize("size", [(40, 60), (61, 37), (5, 200), (2500, 9)])
@pytest.mark.parametrize("scale", [0.31, 0.5, 0.77, 1.0, 1.43, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_what_resizing_the_whole_picture_gives(size, scale, seed):
    image, mask = picture(*size)
    new_image, new_mask = augment(image, mask, plain((32, 48), scale=(scale, scale)), generator_for(seed, 0, 0))
    draws = generator_for(seed, 0, 0).random(7)
    expected_image, expected_mask = resized_then_cropped(image, mask, (32, 48), scale, draws[1:3])
    np.testing.assert_array_equal(new_mask, expected_mask)
    np.testing.assert_allclose(new_image.astype(int), expected_image.astype(int), atol=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_full_crop_at_scale_one_is_the_identity(dtype):
    image, mask = picture(33, 47, dtype)
    new_image, new_mask = augment(image, mask, plain((33, 47)), generator_for(0, 0, 0))
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_mask, mask)
    assert new_mask.dtype == dtype


def test_the_same_generator_gives_the_same_view_and_the_input_is_untouched():
    image, mask = picture(50, 60)
    before = image.copy(), mask.copy()
    augmentation = Augmentation((32, 32))
    first, second, other = (augment(image, mask, augmentation, generator_for(1, 2, i)) for i in (3, 3, 4))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[1] != other[1]).any()
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("crop_size", [(40, 40), (90, 100)])
@pytest.mark.parametrize("strengths", [{}, {"rotation": 90.0}])
def test_flipping_mirrors_image_and_mask_and_changes_nothing_else(crop_size, strengths):
    image, mask = picture(50, 60)
    straight, mirrored = (
        augment(image, mask, plain(crop_size, scale=(0.6, 1.4), flip=flip, **strengths), generator_for(0, 0, 5))
        for flip in (0.0, 1.0)
    )
    np.testing.assert_array_equal(mirrored[0], straight[0][:, ::-1])
    np.testing.assert_array_equal(mirrored[1], straight[1][:, ::-1])


@pytest.mark.parametrize(("dtype", "ignore"), [(np.uint8, 255), (np.uint16, 65535)])
def test_outside_of_the_image_are_the_padding_colour_and_ignore(dtype, ignore):
    image, mask = picture(10, 12, dtype)
    augmentation = Augmentation((32, 32), scale=(1.0, 1.0))
    new_image, new_mask = augment(image, mask, augmentation, generator_for(0, 0, 1))
    outside = new_mask == ignore
    assert outside.sum() == 32 * 32 - 10 * 12
    assert (new_image[outside] == PADDING_COLOUR).all()


def test_scales_fill_their_range_evenly_in_the_logarithm():
    image, mask = picture(64, 64)
    augmentation = plain((200, 200), scale=(0.5, 2.0))
    sides = [
        np.sqrt((augment(image, mask, augmentation, generator_for(0, 0, i))[1] != 255).sum()) / 64 for i in range(300)
    ]
    assert 0.49 < min(sides) < 0.52
    assert 1.9 < max(sides) < 2.01
    assert 0.4 < np.mean(np.array(sides) < 1) < 0.6


def test_image_and_mask_must_have_one_size():
    with pytest.raises(ArgumentError, match=re.escape("The image (=(4, 5)) and the mask (=(5, 4)) must have the same")):
        augment(picture(4, 5)[0], picture(5, 4)[1], plain((8, 8)), generator_for(0, 0, 0))
