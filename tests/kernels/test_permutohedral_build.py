"""The lattice of an image beside a plain search for the simplex around each pixel."""

import itertools

import numpy as np
import pytest

from intarsia.kernels.permutohedral.distinct import distinct, look_up
from intarsia.kernels.permutohedral.image_lattice import image_lattice


def lifted(features):
    """Coordinates in the plane of the lattice (Adams et al., section 3.1), float64."""
    d = features.shape[1]
    axes = np.zeros((d, d + 1))
    for j in range(d):
        axes[j, : j + 1], axes[j, j + 1] = 1, -(j + 1)
        axes[j] *= (d + 1) * np.sqrt(2 / 3) / np.sqrt((j + 1) * (j + 2))
    return features @ axes


def simplex_of(point):
    """Corners and weights by trying all orders of all near bases: the one whose weights are not negative."""
    d = len(point) - 1
    near = np.floor(point / (d + 1))
    best = None
    for lower in itertools.product((0, 1), repeat=d + 1):
        base = (near + lower) * (d + 1)
        if base.sum():
            continue
        order = np.argsort(-(point - base), kind="stable")
        rests = (point - base)[order] / (d + 1)
        weights = np.append(1 - rests[0] + rests[-1], (rests[:-1] - rests[1:])[::-1])
        if best is None or weights.min() > best[1].min():
            rank = np.argsort(order)
            corners = [base + r - (d + 1) * (rank > d - r) for r in range(d + 1)]
            best = np.array(corners), weights
    return best


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (2, np.float32), (3, np.uint8)])
def test_corners_and_weights_are_those_of_a_search(channels, dtype):
    height, width, sxy, srgb = 6, 9, 4.0, 30.0
    levels = np.random.default_rng(channels).integers(0, 256, (height * width, channels)).astype(dtype)
    lattice = image_lattice(levels, width, sxy, srgb)
    assert lattice is not None
    y, x = np.divmod(np.arange(len(levels)), width)
    features = np.column_stack([x / sxy, y / sxy, levels / srgb])
    numbers: dict[tuple[int, ...], int] = {}
    for i, point in enumerate(lifted(features)):
        corners, weights = simplex_of(point)
        np.testing.assert_allclose(lattice.weights[i, : channels + 3], weights, atol=1e-4)
        assert not lattice.weights[i, channels + 3 :].any()
        for r in np.flatnonzero(weights > 1e-3):
            coordinates = tuple(corners[r].astype(int))
            number = int(lattice.simplices[lattice.which[i], r])
            assert numbers.setdefault(coordinates, number) == number
    assert len(set(numbers.values())) == len(numbers)
    assert min(numbers.values()) > 0
    assert max(numbers.values()) < lattice.rows
    places = {number: np.array(coordinates) for coordinates, number in numbers.items()}
    d, linked = channels + 2, set()
    for one, other in itertools.pairwise(lattice.chains):
        if one in places and other in places:
            step = places[other] - places[one]
            assert sorted(step) == [-d] + [1] * d
            linked.add((one, other))
    axis_steps = [np.where(np.arange(d + 1) == axis, -d, 1) for axis in range(d + 1)]
    for coordinates, number in numbers.items():
        for step in axis_steps:
            other = numbers.get(tuple(np.array(coordinates) + step))
            assert other is None or (number, other) in linked


def test_keys_that_do_not_fit_are_refused():
    levels = np.linspace(0, 255, 192, dtype=np.float32).reshape(64, 3)
    assert image_lattice(levels, 8, 80.0, 13.0) is not None
    assert image_lattice(levels, 8, 80.0, 1e-3) is None
    assert image_lattice(np.zeros((64, 6), np.float32), 8, 80.0, 13.0) is None  # eight dimensions


@pytest.mark.parametrize("period", [1, 6])
@pytest.mark.parametrize("guess", [0, 50_000])
def test_tables_grow_and_find_what_they_hold(guess, period):
    generator = np.random.default_rng(0)
    known = generator.integers(0, 1 << 62, 20_000)
    keys = np.repeat(known[generator.integers(0, len(known), 40_000)], 3)
    found, numbers = distinct(keys, guess, 1, period)
    _, firsts = np.unique(keys, return_index=True)
    np.testing.assert_array_equal(found.keys[1:], keys[np.sort(firsts)])
    np.testing.assert_array_equal(found.keys[numbers], keys)
    assert numbers.min() == 1
    np.testing.assert_array_equal(look_up(found, keys[:500]), numbers[:500])
    assert not look_up(found, np.setdiff1d(known + 1, known)[:500]).any()
