"""Grid cuts: the minimum by brute force, a certificate after every solve, and the laws of cuts."""

from itertools import product

import numpy as np
import pytest

from intarsia.energies import GridCut
from intarsia.errors import ArgumentError
from intarsia.kernels.max_flow.growth import search

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def energy_of(labels, edges, terminals):
    """The definition, pair by pair."""
    total = np.where(labels, np.maximum(-terminals, 0), np.maximum(terminals, 0)).sum()
    height, width, kinds = edges.shape
    for row, column, kind in product(range(height), range(width), range(kinds)):
        down, right = NEIGHBOURS[kind]
        if row + down < height and 0 <= column + right < width:
            total += edges[row, column, kind] * (labels[row, column] != labels[row + down, column + right])
    return total


def all_labelings(height, width):
    return (np.array(bits, bool).reshape(height, width) for bits in product((False, True), repeat=height * width))


def drawn(generator, height, width, kinds, ties):
    """Small whole numbers give many equal cuts, real ones none."""
    if ties:
        edges = generator.integers(0, 4, (height, width, kinds)).astype(float)
        return edges, generator.integers(-5, 6, (height, width)).astype(float)
    terminals = generator.normal(size=(height, width)) * 20 * (generator.random((height, width)) < 0.4)
    return generator.random((height, width, kinds)) * 8, terminals


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize(
    ("height", "width", "kinds"), [(1, 1, 2), (1, 7, 4), (7, 1, 2), (2, 2, 4), (3, 3, 2), (3, 3, 4)]
)
def test_it_is_the_minimum_with_the_least_foreground(height, width, kinds, ties):
    for seed in range(3):
        edges, terminals = drawn(np.random.default_rng(seed), height, width, kinds, ties)
        cut = GridCut(edges).solve(terminals)
        cut.certify()
        energies = [(energy_of(labels, edges, terminals), labels) for labels in all_labelings(height, width)]
        least = min(energy for energy, _ in energies)
        assert cut.energy == pytest.approx(least, abs=1e-3)
        if ties:
            equal = [labels for energy, labels in energies if energy == least]
            np.testing.assert_array_equal(cut.foreground, np.logical_and.reduce(equal))


def test_four_by_four_once():
    edges, terminals = drawn(np.random.default_rng(7), 4, 4, 4, True)
    pairs = [  # all 2^16 labelings at once: rows of bits
        (row * 4 + column, (row + down) * 4 + column + right, edges[row, column, kind])
        for kind, (down, right) in enumerate(NEIGHBOURS)
        for row in range(4 - down)
        for column in range(max(0, -right), 4 - max(0, right))
    ]
    bits = (np.arange(1 << 16)[:, None] >> np.arange(16)) & 1
    energies = np.where(bits, np.maximum(-terminals.ravel(), 0), np.maximum(terminals.ravel(), 0)).sum(axis=1)
    for first, second, weight in pairs:
        energies += weight * (bits[:, first] != bits[:, second])
    assert GridCut(edges).solve(terminals).energy == energies.min()


@pytest.mark.parametrize("kinds", [2, 4])
@pytest.mark.parametrize("ties", [True, False])
def test_warm_is_cold(kinds, ties):
    generator = np.random.default_rng(1)
    edges, terminals = drawn(generator, 37, 23, kinds, ties)
    cut = GridCut(edges).solve(terminals)
    for _ in range(4):
        terminals = drawn(generator, 37, 23, kinds, ties)[1]
        cut.solve(terminals).certify()
        cold = GridCut(edges).solve(terminals)
        np.testing.assert_array_equal(cut.foreground, cold.foreground)
        assert cut.energy == cold.energy == cold.flow


@pytest.mark.parametrize("budget", [None, 0.0])
@pytest.mark.parametrize("seed", range(6))
def test_changes_in_any_order_end_where_a_full_solve_does(seed, budget):
    """With a budget of nothing each change is made on an unfinished cut, and `finish` comes at the end."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 25, 2)
    edges, terminals = drawn(generator, height, width, 2 + 2 * (seed % 2), seed % 3 > 0)
    cut = GridCut(edges).solve(terminals, budget)
    for _ in range(12):
        few = generator.choice(height * width, min(height * width, generator.integers(1, 30)), replace=False)
        values = generator.choice([-np.inf, np.inf, 0.0, 3.0, -2.0], len(few))
        values = values if generator.random() < 0.5 else np.full(len(few), generator.choice([-np.inf, np.inf]))
        terminals.ravel()[few] = values
        cut.change(few // width, few % width, values, budget)
        if budget is None:
            cut.certify()
    cut.finish()
    cut.certify()
    cold = GridCut(edges).solve(terminals)
    np.testing.assert_array_equal(cut.foreground, cold.foreground)
    assert cut.energy == cold.energy


def test_labels_that_run_out_begin_anew():
    """A change under way may lengthen paths beyond all labels that there are: then the forests are planted again."""
    edges, terminals = drawn(np.random.default_rng(2), 12, 12, 4, False)
    cut = GridCut(edges).solve(terminals)
    cut._network.limit[:] = len(cut._network.orphans) - 2
    terminals[5, 5] = np.inf
    cut.change(np.array([5]), np.array([5]), np.array([np.inf])).certify()
    np.testing.assert_array_equal(cut.foreground, GridCut(edges).solve(terminals).foreground)


def test_an_unfinished_cut_says_so():
    edges, terminals = drawn(np.random.default_rng(0), 60, 60, 4, False)
    cut = GridCut(edges).solve(terminals, budget_seconds=0.0)
    assert not cut.finished
    assert cut.foreground.shape == (60, 60)
    cut.finish().certify()


def test_swapped_terminals_mirror_the_cut():
    edges, terminals = drawn(np.random.default_rng(3), 30, 20, 4, False)
    np.testing.assert_array_equal(
        GridCut(edges).solve(terminals).foreground, ~GridCut(edges).solve(-terminals).foreground
    )


def test_a_mirrored_grid_has_the_mirrored_cut():
    edges, terminals = drawn(np.random.default_rng(4), 17, 29, 2, True)
    mirrored = np.zeros_like(edges)
    mirrored[:, :-1, 0], mirrored[:, :, 1] = edges[:, -2::-1, 0], edges[:, ::-1, 1]
    found = GridCut(mirrored).solve(terminals[:, ::-1]).foreground[:, ::-1]
    np.testing.assert_array_equal(found, GridCut(edges).solve(terminals).foreground)


def test_infinite_terminals_never_flip_and_cost_nothing():
    generator = np.random.default_rng(5)
    edges, terminals = drawn(generator, 20, 20, 4, False)
    object_seeds, background_seeds = generator.random((20, 20)) < 0.1, generator.random((20, 20)) < 0.1
    terminals[object_seeds] = np.inf
    terminals[background_seeds & ~object_seeds] = -np.inf
    cut = GridCut(edges).solve(terminals)
    assert cut.foreground[object_seeds].all()
    assert not cut.foreground[background_seeds & ~object_seeds].any()
    free = np.where(np.isfinite(terminals), terminals, 0)
    assert cut.energy == pytest.approx(energy_of(cut.foreground, edges, free), abs=0.01)


def test_weights_that_leave_the_grid_do_not_count():
    edges, terminals = drawn(np.random.default_rng(6), 9, 8, 4, False)
    strange = edges.copy()
    strange[-1, :, 1:], strange[:, -1, 0], strange[:, -1, 2], strange[:, 0, 3] = np.nan, -1, 1e30, np.inf
    np.testing.assert_array_equal(
        GridCut(strange).solve(terminals).foreground, GridCut(edges).solve(terminals).foreground
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_strides_and_read_only_arrays(dtype):
    edges, terminals = drawn(np.random.default_rng(8), 12, 10, 4, True)
    wide = np.repeat(edges.astype(dtype), 2, axis=1)[:, ::2]
    wide.flags.writeable = False
    np.testing.assert_array_equal(
        GridCut(wide).solve(terminals.T.copy().T).foreground, GridCut(edges).solve(terminals).foreground
    )


GOOD = np.ones((3, 4, 2))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (np.ones((3, 4, 3)), r"`edges` \(of shape \(3, 4, 3\)\) must be"),
        (np.ones((0, 4, 2)), "of 1 to 2\\^26 pixels"),
        (-GOOD, r"`edges` \(from -1.0 to -1.0\) must be finite, not negative"),
        (GOOD * np.nan, "must be finite"),
        (GOOD * np.inf, "must be finite"),
        (GOOD * 5000, "at no pixel sum to more than 16383; divide"),
    ],
)
def test_edges_that_are_refused(edges, message):
    with pytest.raises(ArgumentError, match=message):
        GridCut(edges)


def test_terminals_that_are_refused():
    cut = GridCut(GOOD)
    with pytest.raises(ArgumentError, match=r"`terminals` \(of shape \(4, 3\)\) must have the grid's shape \(3, 4\)"):
        cut.solve(np.zeros((4, 3)))
    with pytest.raises(ArgumentError, match="`terminals` hold NaN"):
        cut.solve(np.full((3, 4), np.nan))
    cut.solve(np.zeros((3, 4))).certify()
    one = np.array([0])
    with pytest.raises(ArgumentError, match="`terminals` hold NaN"):
        cut.change(one, one, np.array([np.nan]))
    for rows, columns in ((one + 3, one), (one, one - 1), (np.array([1, 1]), np.array([2, 2]))):
        with pytest.raises(ArgumentError, match=r"must each name a pixel of the grid \(3, 4\) and none twice"):
            cut.change(rows, columns, np.zeros(len(rows)))


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("seed", range(4))
def test_searches_left_in_the_middle_go_on(seed, steps):
    """Left after a few steps, by levels and without, and changed in between."""
    generator = np.random.default_rng(seed)
    edges, terminals = drawn(generator, 14, 11, 4, seed % 2 == 0)
    cut = GridCut(edges).solve(terminals, 0.0)
    for turn in range(6):
        for _ in range(generator.integers(0, 40)):
            if search(cut._network, steps):
                break
        places = generator.choice(154, 9, replace=False)
        terminals.ravel()[places] = generator.choice([-np.inf, np.inf, 1.0], 9)
        cut.change(places // 11, places % 11, terminals.ravel()[places], 0.0)
        if turn == 3:
            terminals = drawn(generator, 14, 11, 4, True)[1]
            cut.solve(terminals, 0.0)
    while not search(cut._network, steps):
        pass
    cut.finish()
    cut.certify()
    np.testing.assert_array_equal(cut.foreground, GridCut(edges).solve(terminals).foreground)
