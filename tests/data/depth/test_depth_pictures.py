"""Coloured depths and errors: even to the eye, the bar says what the picture shows, unknown pixels are black."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from intarsia.data.depth.pictures import (
    coloured_depth,
    coloured_error,
    colours_of,
    depth_range,
    ticks,
    with_scale_bar,
)
from intarsia.errors import ArgumentError


@pytest.mark.parametrize(("kind", "parts"), [("depth", 1), ("error", 2)])
def test_equal_steps_are_equal_to_the_eye(kind: str, parts: int) -> None:
    """By CIEDE2000, another formula than the one that made the tables; lightness alone tells the order, too."""
    lab = rgb2lab(colours_of(kind)[None] / 255.0)[0]
    steps = deltaE_ciede2000(lab[16::16], lab[:-16:16])
    assert steps.max() < 2.6 * steps.min()
    lightness = lab[:, 0] if parts == 1 else np.minimum(lab[:128, 0], lab[:127:-1, 0])
    order = 1 if parts == 2 else -1
    assert (order * np.diff(lightness[::4]) > 0).all()
    assert lightness.min() > 20  # no colour is taken for the black of the unknown
    if parts == 2:
        np.testing.assert_allclose(lab[:128, 0], lab[:127:-1, 0], atol=6)  # both signs are equally loud


def test_near_is_warm_and_far_is_cold() -> None:
    near, far, unknown = coloured_depth(np.array([[1, 4, 0]], np.float32), 1, 4)[0].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0] + 50
    assert unknown.tolist() == [0, 0, 0]
    clipped = coloured_depth(np.array([[0.5, 9]], np.float32), 1, 4)[0]
    assert clipped.tolist() == [near.tolist(), far.tolist()]


def test_errors_have_a_sign() -> None:
    truth = np.array([[2, 2, 2, 0]], np.float32)
    near, exact, far, unknown = coloured_error(truth, np.array([[1, 2, 3, 2]], np.float32), 0.5)[0].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0] + 50
    assert exact.min() > 230
    assert unknown.tolist() == [0, 0, 0]


def test_stray_pixels_do_not_take_the_colours() -> None:
    depth = np.concatenate([np.linspace(2, 4, 9990), np.full(10, 900.0), np.zeros(50)]).astype(np.float32)
    near, far = depth_range(depth[None])
    assert 2 <= near < 2.1
    assert 3.9 < far <= 4
    near, far = depth_range(np.full((3, 3), 5, np.float32))
    assert near == 5 < far


@pytest.mark.parametrize(("width", "kind"), [(300, "depth"), (300, "error"), (40, "depth")])
def test_the_bar_shows_the_colours_between_its_ends(width: int, kind: str) -> None:
    picture = np.full((20, width, 3), 7, np.uint8)
    framed = with_scale_bar(picture, -2.0 if kind == "error" else 1.0, 2.0, kind)
    factor = max(1, 320 // max(20, width))
    picture = np.kron(picture, np.ones((factor, factor, 1), np.uint8))
    rows, width = picture.shape[:2]
    left = (framed.shape[1] - width) // 2
    np.testing.assert_array_equal(framed[:rows, left : left + width], picture)
    assert framed.shape[1] == max(width, 140)
    bar = framed[rows + framed.shape[1] // 72 + 5]  # a row that crosses it
    colours = colours_of(kind)
    columns = np.flatnonzero((bar == colours[0]).all(1))[0], np.flatnonzero((bar == colours[255]).all(1))[-1]
    assert columns[0] + columns[1] == framed.shape[1] - 1  # in the middle
    assert bar[sum(columns) // 2].tolist() in colours[126:130].tolist()
    assert len(np.unique(framed[-12:].reshape(-1, 3), axis=0)) > 5  # there is text below


@pytest.mark.parametrize(("low", "high"), [(2.15, 3.81), (0.3, 80), (-0.31, 0.31), (4.9, 5.0), (0.001, 0.0012)])
@pytest.mark.parametrize("most", [3, 5, 9])
def test_ticks_are_round_and_inside(low: float, high: float, most: int) -> None:
    marks = ticks(low, high, most)
    assert 1 <= len(marks) <= most
    assert low - 1e-6 <= marks[0] <= marks[-1] <= high + 1e-6
    assert len({round(b - a, 9) for a, b in pairwise(marks)}) <= 1


def test_refusals() -> None:
    depth = np.ones((2, 3), np.float32)
    with pytest.raises(ArgumentError, match="must rise from a lower to a higher number of metres, not 3 to 3"):
        coloured_depth(depth, 3, 3)
    with pytest.raises(ArgumentError, match="must rise"):
        with_scale_bar(np.zeros((2, 2, 3), np.uint8), 1, 0)
    with pytest.raises(ArgumentError, match="No depth is known in any of the maps"):
        depth_range(depth * 0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_maps_of_errors_have_one_shape() -> None:
    with pytest.raises(ArgumentError, match=r"`truth` \(2, 3\) and `prediction` \(2, 2\) must have one shape"):
        coloured_error(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32), 1)
