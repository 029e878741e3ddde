"""The permutohedral lattice: against Gaussian sums written out, and by the laws of a linear filter."""

import numpy as np
import pytest
from reference.dense_crf import kernel

from intarsia.errors import ArgumentError
from intarsia.kernels.permutohedral.general import Permutohedral

DIMENSIONS = [1, 2, 3, 5, 7]


def points(count, d, spread, seed=0):
    return (np.random.default_rng(seed).random((count, d)) * spread).astype(np.float32)


def means(lattice, values):
    return lattice.filter(values) / lattice.filter(np.ones_like(values))


@pytest.mark.parametrize(("d", "spread", "error"), [(1, 6, 0.02), (2, 5, 0.03), (3, 4, 0.04), (5, 2, 0.04)])
def test_means_are_those_of_the_gaussian(d, spread, error):
    f = points(1500, d, spread)
    smooth = np.sin(f @ np.linspace(1, 2, d, dtype=np.float32))[:, None]
    exact = kernel(f.astype(np.float64), "after") @ smooth
    assert np.abs(means(Permutohedral(f), smooth) - exact).mean() < error
    assert np.abs(smooth - exact).mean() > 4 * error


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_weights_of_a_point_sum_to_one_and_give_it_back(d):
    f = points(300, d, 9)
    lattice = Permutohedral(f)
    assert lattice._weights.min() > -1e-4
    np.testing.assert_allclose(lattice._weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(means(lattice, np.full((300, 2), 7.0)), 7, rtol=1e-12)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_transposed_is_the_adjoint(d):
    generator = np.random.default_rng(d)
    lattice = Permutohedral(points(400, d, 12))
    x, y = generator.random((400, 3)), generator.random((400, 3))
    there, back = (lattice.filter(x) * y).sum(), (x * lattice.filter(y, transposed=True)).sum()
    assert there == pytest.approx(back, rel=1e-12)
    if d > 1:
        assert there != pytest.approx((x * lattice.filter(y)).sum(), rel=1e-9)  # corners are missing: not symmetric


def test_filtering_is_linear_and_each_column_is_by_itself():
    generator = np.random.default_rng(0)
    lattice, v = Permutohedral(points(200, 3, 5)), generator.random((200, 4))
    whole = lattice.filter(v)
    np.testing.assert_allclose(lattice.filter(2 * v - 1), 2 * whole - lattice.filter(np.ones_like(v)), rtol=1e-12)
    for c in range(4):
        np.testing.assert_allclose(lattice.filter(v[:, c : c + 1]), whole[:, c : c + 1], rtol=1e-12)


def test_float32_and_float64_and_any_memory():
    lattice, v = Permutohedral(points(200, 4, 5)), np.random.default_rng(0).random((200, 3))
    read_only = np.asfortranarray(v)
    read_only.flags.writeable = False
    wide, narrow = lattice.filter(read_only), lattice.filter(v.astype(np.float32))
    assert (wide.dtype, narrow.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(narrow, wide, rtol=2e-6)


def corners_by_search(feature, d):
    """The d + 1 corners of the simplex around a point, each the nearest of its remainder."""
    scales = [(d + 1) * np.sqrt(2 / 3) / np.sqrt((i + 1) * (i + 2)) for i in range(d)]
    basis = np.zeros((d + 1, d))
    for i in range(d):
        basis[: i + 1, i], basis[i + 1, i] = scales[i], -(i + 1) * scales[i]
    place = basis @ feature.astype(np.float64)
    found = set()
    for remainder in range(d + 1):  # the nearest corner of each remainder
        near = np.rint((place - remainder) / (d + 1)) * (d + 1) + remainder
        while (total := round(near.sum())) != 0:
            sign = np.sign(total)
            axis = (sign * (near - place)).argmax()
            near[axis] -= sign * (d + 1)
        found.add(tuple(near.astype(int)[:d]))
    return found


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_the_corners_are_the_nearest_of_each_remainder(d):
    from intarsia.kernels.permutohedral.general import _scales
    from intarsia.kernels.permutohedral.general_corners import build

    f = (np.random.default_rng(d).normal(0, 20, (200, d))).astype(np.float32)
    offsets, _, keys, _, fits = build(f, _scales(d), 1 << 20)
    assert fits
    for i in range(len(f)):
        assert {tuple(keys[corner]) for corner in offsets[i]} == corners_by_search(f[i], d)


def test_the_table_grows_and_loses_no_corner():
    from intarsia.kernels.permutohedral.general import _scales
    from intarsia.kernels.permutohedral.general_corners import build

    f = np.random.default_rng(0).normal(0, 1000, (3000, 3)).astype(np.float32)
    offsets, _, keys, table, _ = build(f, _scales(3), 1 << 20)
    assert len(keys) > 9_000  # far more than the table begins with
    assert len(np.unique(keys, axis=0)) == len(keys)
    np.testing.assert_array_equal(np.unique(offsets), np.arange(len(keys)))
    np.testing.assert_array_equal(np.sort(table[table >= 0]), np.arange(len(keys)))
    apart = Permutohedral(f).filter(np.eye(3000, 3, dtype=np.float32))  # every point has its simplex for itself
    assert np.count_nonzero(apart > 0.01) == 3


def test_names_of_any_size_stay_apart():
    """Sixteen bits an axis would take the last two of these for the first."""
    f = np.array([[0, 0, 0, 0, 0], [30_000, 0, 0, 0, 0], [0, 0, 0, 0, 30_000]], np.float32)
    np.testing.assert_allclose(means(Permutohedral(f), np.eye(3)), np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("features", "most", "message"),
    [
        (
            np.full((2, 3), 1e6, np.float32),
            100,
            r"`features` reach 1000000.0; they must be finite and within some \d+ st",
        ),
        (np.array([[0.0], [np.nan]], np.float32), 100, "`features` reach nan; they must be finite"),
        (np.array([[0.0], [np.inf]], np.float32), 100, "`features` reach inf; they must be finite"),
        (np.arange(50.0)[:, None], 8, "`features` of 50 points need more than 8 corners of the lattice"),
    ],
)
def test_what_is_refused(features, most, message):
    with pytest.raises(ArgumentError, match=message):
        Permutohedral(features, most)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("rows", [(4, 5, 5, 5), (5, 4, 5, 5), (5, 5, 6, 5), (5, 5, 5, 4), (6, 6, 6, 6)])
def test_values_of_other_points_are_refused(rows):
    lattice = Permutohedral(np.arange(5.0, dtype=np.float32)[:, None])
    values, before, after, result = (np.ones(count) for count in rows)
    with pytest.raises(ArgumentError, match="must have one row for each of the 5 points of the lattice"):
        lattice.add(values[:, None], before, after, result[:, None])
    with pytest.raises(ArgumentError, match=r"`values` .of shape .7, 2.*one row for each of the 5 points"):
        lattice.filter(np.ones((7, 2)))
