"""Links between neighbours, written out as differences of shifted images."""

import numpy as np
import pytest

from intarsia.kernels.contrast import broken_links, contrast_links, halved, squared_differences

SIZES = [(1, 1, 3), (1, 9, 3), (9, 1, 1), (2, 2, 3), (7, 12, 3), (6, 5, 4)]
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows, columns


def neighbours(height, width, step):
    """Both ends of all pairs, as index arrays."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows + step[0] < height) & (columns + step[1] >= 0) & (columns + step[1] < width)
    first = rows[inside], columns[inside]
    return first, (first[0] + step[0], first[1] + step[1])


def image_of(size, dtype):
    return np.random.default_rng(sum(size)).integers(0, 256, size).astype(dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("directions", [2, 4])
def test_links_and_their_sums_are_those_of_the_formula(size, dtype, directions):
    image, beta, gamma = image_of(size, dtype), np.float32(3e-5), np.float32(50)
    links = contrast_links(image, directions, beta, gamma)
    foreground = np.random.default_rng(1).random(size[:2]) < 0.5
    squares, broken = 0.0, 0.0
    for direction, step in enumerate(STEPS[:directions]):
        first, second = neighbours(*size[:2], step)
        distances = np.square(image[first].astype(float) - image[second]).sum(axis=-1)
        wanted = np.zeros(size[:2])
        wanted[first] = 50 / np.hypot(*step) * np.exp(-3e-5 * distances)
        np.testing.assert_allclose(links[..., direction], wanted, rtol=1e-5)
        squares += distances.sum()
        broken += wanted[first][foreground[first] != foreground[second]].sum()
    assert squared_differences(image, directions) == squares
    np.testing.assert_allclose(broken_links(links, foreground), broken, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_half_an_image_is_the_means_of_four_pixels(size):
    image = image_of(size, np.uint8)
    even = np.pad(image, [(0, size[0] % 2), (0, size[1] % 2), (0, 0)], "edge").astype(np.float32)
    means = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, -1).mean(axis=(1, 3))
    np.testing.assert_array_equal(halved(image.astype(np.float32), np.float32(0)), means)
    np.testing.assert_array_equal(halved(image, np.float32(0.5)), np.floor(means + 0.5))
