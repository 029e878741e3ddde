"""Filling without learning: exact where it was measured, exact on planes, better with more, and guided by colours."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from intarsia.data import generator_for
from intarsia.data.depth import Measuring, bilateral_fill, linear_fill, measure, nearest_fill, open_depth
from intarsia.errors import ArgumentError
from intarsia.metrics import DepthScores, depth_errors

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
FILLS: dict[str, Fill] = {
    "nearest": lambda measured, _: nearest_fill(measured),
    "linear": lambda measured, _: linear_fill(measured),
    "bilateral": bilateral_fill,
}
SIZE = (21, 33)
IMAGE = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)


def few(depth: np.ndarray, count: int = 40, seed: int = 0) -> np.ndarray:
    return measure(depth, IMAGE, Measuring("count", count), generator_for(seed))


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_a_constant_scene_is_exact(fill: Fill, count: int) -> None:
    depth = np.full(SIZE, 2.3, np.float32)
    np.testing.assert_allclose(fill(few(depth, count), IMAGE), depth, rtol=1e-6)


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_measured_pixels_stay_and_others_lie_between(fill: Fill) -> None:
    depth = np.random.default_rng(1).uniform(1, 5, SIZE).astype(np.float32)
    measured = few(depth)
    filled = fill(measured, IMAGE)
    assert (filled.dtype, filled.shape) == (np.float32, SIZE)
    known = measured > 0
    np.testing.assert_array_equal(filled[known], measured[known])
    assert measured[known].min() * (1 - 1e-6) <= filled.min() <= filled.max() <= measured[known].max() * (1 + 1e-6)


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_filling_does_not_depend_on_the_unit(fill: Fill) -> None:
    measured = few(np.random.default_rng(2).uniform(1, 5, SIZE).astype(np.float32))
    np.testing.assert_allclose(fill(measured * np.float32(4), IMAGE), 4 * fill(measured, IMAGE), rtol=1e-5)


def test_the_linear_fill_is_exact_on_a_plane() -> None:
    rows, columns = np.indices(SIZE)
    depth = (2 + 0.03 * rows + 0.05 * columns).astype(np.float32)
    measured = few(depth)
    measured[::20, ::32] = depth[::20, ::32]  # the corners, so that all lies within triangles
    np.testing.assert_allclose(linear_fill(measured), depth, rtol=1e-5)


@pytest.mark.parametrize("places", [[(3, 4)], [(3, 4), (9, 9)], [(2, 2), (4, 4), (8, 8)]])
def test_without_a_triangle_the_nearest_serves(places: list[tuple[int, int]]) -> None:
    measured = np.zeros(SIZE, np.float32)
    for i, place in enumerate(places):
        measured[place] = 1 + i
    np.testing.assert_array_equal(linear_fill(measured), nearest_fill(measured))


def test_the_nearest_is_the_nearest() -> None:
    measured = few(np.random.default_rng(3).uniform(1, 5, SIZE).astype(np.float32))
    places = np.argwhere(measured > 0)
    for (row, column), found in np.ndenumerate(nearest_fill(measured)):
        distance = ((places - (row, column)) ** 2).sum(1)
        nearest = places[distance == distance.min()]
        assert found in measured[tuple(nearest.T)]


def test_colours_guide() -> None:
    """Two halves of two colours and two depths; measurements near the border lie on one side only."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, 16:] = 200
    depth = np.where(image[:, :, 0] > 0, 4, 2).astype(np.float32)
    measured = few(depth, 30)
    measured[:, 9:16] = 0
    fills = nearest_fill(measured), bilateral_fill(measured, image)
    blind, guided = (np.abs(fill - depth)[:, 9:16].mean() for fill in fills)
    assert guided < 1e-3 < blind


def test_measurements_that_are_added_never_hurt_a_bowl() -> None:
    """At any pixel: Delaunay's triangles, lifted onto |p|², are the lower hull of the lifted points (Brown, 1979).

    A hull of more points of a bowl lies nearer to it everywhere. Of other scenes the law does not hold pixel by pixel:
    a measurement at an edge may join what a triangle kept apart.
    """
    rows, columns = np.indices(SIZE)
    depth = (2 + 0.01 * ((rows - 7) ** 2 + (columns - 20) ** 2)).astype(np.float32)
    above = []
    for count in (3, 10, 40, 160, 640):  # with one seed, more measurements are those and others
        measured = few(depth, count)
        measured[::20, ::32] = depth[::20, ::32]
        above.append(linear_fill(measured) - depth)
    assert above[0].max() > 1
    for fewer, more in pairwise(above):
        assert (more >= -1e-5).all()
        assert (more <= fewer + 1e-5).all()
    assert above[-1].mean() < 0.01 * above[0].mean()


@pytest.mark.parametrize("draw", range(3))
def test_more_measurements_never_hurt_on_the_real_scene(draw: int) -> None:
    """Over all of its pixels, each draw by itself, when measurements double."""
    sample = open_depth("sample:motorcycle").split("val")[1]
    depth, image = sample.depth(), sample.image()
    measured = [measure(depth, image, Measuring("count", n), generator_for(draw)) for n in (62, 125, 250, 500, 1000)]
    for fewer, more in pairwise(measured):
        np.testing.assert_array_equal(fewer[fewer > 0], more[fewer > 0])
    errors = {
        name: [DepthScores(depth_errors(depth, fill(few, image))).rmse for few in measured]
        for name, fill in FILLS.items()
    }
    for name in FILLS:
        assert errors[name] == sorted(errors[name], reverse=True)
    assert errors["linear"][3] < errors["nearest"][3]
    assert 0.1 < errors["linear"][3] < 0.3  # metres


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_nothing_fills_nothing(fill: Fill) -> None:
    with pytest.raises(
        ArgumentError, match="`measured` holds no depth at all, only zeros, from which nothing can be filled"
    ):
        fill(np.zeros(SIZE, np.float32), IMAGE)


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_image_must_fit() -> None:
    with pytest.raises(ArgumentError, match=r"The image \(=\(20, 33\)\) and the measurements \(=\(21, 33\)\) must"):
        bilateral_fill(few(np.ones(SIZE, np.float32)), IMAGE[:20])
