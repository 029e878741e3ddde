import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from views import picture, plain

from intarsia.data import augment, generator_for, plan_view
from intarsia.data.augmentation.colour import padding_colour


@pytest.mark.parametrize("seed", range(4))
def test_colour_is_brightness_then_contrast_then_saturation(seed):
    image, mask = picture(20, 20)
    image = image // 3 + 80  # far from the limits, so that nothing is clipped
    augmentation = plain((20, 20), brightness=0.2, contrast=0.3, saturation=0.5)
    new_image, new_mask = augment(image, mask, augmentation, generator_for(seed, 0, 0))
    b, c, s = 1 + np.array((0.2, 0.3, 0.5)) * (2 * generator_for(seed, 0, 0).random(7)[4:7] - 1)
    luma = np.array((0.299, 0.587, 0.114))
    expected = image * b
    expected = (expected - (expected @ luma).mean()) * c + (expected @ luma).mean()
    grey = (expected @ luma)[:, :, None]
    expected = (grey + (expected - grey) * s).clip(0, 255)
    np.testing.assert_allclose(new_image, expected, atol=1.2)  # Pillow's grey is rounded before its mean is taken
    np.testing.assert_array_equal(new_mask, mask)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_other_channels_take_their_contrast_about_their_own_means(channels):
    image, mask = picture(20, 20, channels=channels)
    image = image // 4 + np.arange(channels, dtype=np.uint8) * 10 + 40
    augmentation = plain((20, 20), brightness=0.2, contrast=0.3, saturation=0.5)
    new_image, _ = augment(image, mask, augmentation, generator_for(1, 0, 0))
    b, c = 1 + np.array((0.2, 0.3)) * (2 * generator_for(1, 0, 0).random(7)[4:6] - 1)
    mean = image.mean(axis=(0, 1))
    np.testing.assert_allclose(new_image, (b * (mean + c * (image - mean))).clip(0, 255), atol=0.501)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strengths", [{}, {"rotation": 45.0}])
def test_contrast_keeps_the_mean_of_the_image_whatever_is_around_it(channels, strengths):
    image, mask = np.full((30, 30, channels), 100, np.uint8), np.zeros((30, 30), np.uint8)
    image[0] = image[-1] = 140  # bright borders, which would go on outside
    before, after = (
        augment(image, mask, plain((64, 64), contrast=contrast, **strengths), generator_for(0, 0, 0))
        for contrast in (0.0, 0.9)
    )
    seen = before[1] == 0
    assert abs(after[0][seen].mean() - before[0][seen].mean()) < 0.6
    assert abs(after[0][seen].std() / before[0][seen].std() - 1) > 0.2
    assert (after[0][~seen] == padding_colour(channels)).all()


@pytest.mark.parametrize("sigma", [1.0, 2.5])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_blur_is_a_gaussian(sigma, channels):
    image, mask = picture(40, 50, channels=channels)
    augmentation = plain((40, 50), blur=(sigma, sigma), blur_probability=1.0)
    new_image, new_mask = augment(image, mask, augmentation, generator_for(0, 0, 0))
    expected = gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest")
    difference = new_image - expected
    assert difference.std() < 0.07 * image.std()  # three box filters stand for the Gaussian
    assert abs(difference.mean()) < 0.6
    np.testing.assert_array_equal(new_mask, mask)


@pytest.mark.parametrize("sigma", [0.4, 0.7, 1.5, 4.0])
def test_a_blurred_edge_has_the_stated_deviation(sigma):
    image = np.zeros((50, 60, 1), np.uint8)
    image[:, 30:] = 255
    augmentation = plain((50, 60), blur=(sigma, sigma), blur_probability=1.0)
    new_image, _ = augment(image, np.zeros((50, 60), np.uint8), augmentation, generator_for(0, 0, 0))
    kernel = np.diff(new_image[25, :, 0].astype(float)) / 255
    places = np.arange(59) - 29
    assert kernel.sum() == pytest.approx(1)
    assert abs(kernel @ places) < 0.01
    assert np.sqrt(kernel @ places**2) == pytest.approx(sigma, rel=0.04)


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_blur_draws_no_padding_into_the_image(rotation):
    image, mask = np.full((30, 30, 3), 250, np.uint8), np.zeros((30, 30), np.uint8)
    augmentation = plain((64, 64), blur=(4.0, 4.0), blur_probability=1.0, rotation=rotation)
    new_image, new_mask = augment(image, mask, augmentation, generator_for(0, 0, 0))
    assert (new_image[new_mask == 0] == 250).all()
    assert (new_image[new_mask == 255] == padding_colour(3)).all()


def test_blur_is_drawn_uniformly_from_its_range_as_often_as_said():
    sigmas = np.array(
        [
            plan_view((9, 9), plain((9, 9), blur=(1.0, 3.0), blur_probability=0.25), generator_for(0, 0, i)).look.blur
            for i in range(2000)
        ]
    )
    drawn = sigmas[sigmas > 0]
    assert abs(len(drawn) / 2000 - 0.25) < 0.03
    assert drawn.min() >= 1
    assert drawn.max() <= 3
    assert abs(drawn.mean() - 2) < 0.08
    assert abs(drawn.std() - 2 / np.sqrt(12)) < 0.04
