"""Reading at positions: SciPy's answer."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from intarsia.kernels.sampling import bilinear, nearest


@pytest.fixture
def positions():
    rng = np.random.default_rng(1)
    return rng.uniform(-4, 24, (30, 40)), rng.uniform(-4, 35, (30, 40))


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_bilinear_is_scipys(positions, channels):
    picture = np.random.default_rng(0).integers(0, 256, (20, 31, channels), dtype=np.uint8)
    found = bilinear(picture, *positions, (0, 0), (20, 31))
    for channel in range(channels):
        expected = map_coordinates(
            picture[:, :, channel].astype(float), [axis - 0.5 for axis in positions], order=1, mode="nearest"
        )
        np.testing.assert_allclose(found[:, :, channel], expected, atol=0.5001)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_nearest_is_the_pixel_that_holds_the_position(positions, dtype):
    mask = np.random.default_rng(0).integers(0, 60_000, (20, 31)).astype(dtype)
    rows, columns = (np.floor(axis).astype(int) for axis in positions)
    expected = mask[rows.clip(0, 19), columns.clip(0, 30)]
    found = nearest(mask, *positions, (0, 0), (20, 31))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_a_window_reads_the_same(positions):
    rng = np.random.default_rng(0)
    picture, mask = rng.integers(0, 256, (20, 31, 3), dtype=np.uint8), rng.integers(0, 9, (20, 31)).astype(np.uint8)
    rows, columns = positions[0].clip(6, 14), positions[1].clip(9, 22)
    window = (slice(5, 16), slice(8, 24))
    parts = [np.ascontiguousarray(pixels[window]) for pixels in (picture, mask)]
    for read, whole, part in zip((bilinear, nearest), (picture, mask), parts, strict=True):
        np.testing.assert_array_equal(
            read(part, rows, columns, (5, 8), (20, 31)), read(whole, rows, columns, (0, 0), (20, 31))
        )


def test_halves_are_rounded_up():
    picture = np.array([[[10], [11]]], np.uint8)
    assert bilinear(picture, np.full((1, 1), 0.5), np.ones((1, 1)), (0, 0), (1, 2)).item() == 11
