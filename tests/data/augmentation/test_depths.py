"""Views of depths: the same geometry as masks, unknown outside, nearer where magnified."""

import numpy as np
import pytest

from intarsia.data import Augmentation, generator_for, plan_view
from intarsia.errors import ArgumentError

SIZE = (40, 50)
MOVES = {
    "cut": {},
    "larger": {"scale": (1.4, 1.4)},
    "smaller": {"scale": (0.5, 0.5)},
    "turned": {"rotation": 30.0},
    "bent": {"elastic": 2.0, "scale": (0.7, 1.6)},
}


def scene() -> tuple[np.ndarray, np.ndarray]:
    """An image, and depths in whole millimetres, which a mask of 16 bits can hold as well."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (*SIZE, 3), np.uint8)
    return image, generator.integers(0, 5000, SIZE).astype(np.uint16)


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("seed", range(3))
def test_depths_go_where_masks_go(moves: dict, seed: int) -> None:
    image, millimetres = scene()
    view = plan_view(SIZE, Augmentation((36, 44), **moves), generator_for(seed))
    window = image[view.window], millimetres[view.window]
    expected_image, mask = view.apply(*window)
    expected = np.where(mask == 65535, 0, mask / 1000 / view.magnification)
    new_image, (one, other) = view.apply_to_depths(
        window[0], *(window[1].astype(np.float32) / part for part in (1000, 500))
    )
    np.testing.assert_array_equal(new_image, expected_image)
    np.testing.assert_allclose(one, expected, rtol=1e-6)
    np.testing.assert_allclose(other, 2 * expected, rtol=1e-6)
    assert one.dtype == np.float32


@pytest.mark.parametrize(("scale", "crop"), [(1.0, (20, 30)), (1.5, (24, 36)), (0.5, (30, 30))])
def test_magnification_and_shares(scale: float, crop: tuple[int, int]) -> None:
    """A sphere of radius r at depth z is f r / z pixels wide: what is s times as wide is s times as near."""
    view = plan_view(SIZE, Augmentation(crop, scale=(scale, scale)), generator_for(1))
    assert view.magnification == pytest.approx(scale)
    assert view.shares == pytest.approx([min(1, side / (size * scale)) for side, size in zip(crop, SIZE, strict=True)])


def test_maps_of_another_size_are_refused() -> None:
    image, depth = scene()[0], np.ones(SIZE, np.float32)
    view = plan_view(SIZE, Augmentation((20, 20), scale=(1.0, 1.0)), generator_for(0))
    with pytest.raises(ArgumentError, match=r"The depth 2 \(=\(40, 50\)\) must be the view's window"):
        view.apply_to_depths(image[view.window], depth[view.window], depth)
