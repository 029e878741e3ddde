"""Expansion moves: never up, and within their factor of the minimum by brute force."""

from itertools import product

import numpy as np
import pytest

from intarsia.energies import GridCut, alpha_expansion
from intarsia.errors import ArgumentError

POTTS = 1 - np.eye(3)
LINEAR = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def energy_of(labels, unary, pairwise, edges):
    _, height, width = unary.shape
    total = sum(unary[labels[row, column], row, column] for row in range(height) for column in range(width))
    for row, column, kind in product(range(height), range(width), range(edges.shape[2])):
        down, right = NEIGHBOURS[kind]
        if row + down < height and 0 <= column + right < width:
            total += edges[row, column, kind] * pairwise[labels[row, column], labels[row + down, column + right]]
    return total


@pytest.mark.parametrize(("pairwise", "factor"), [(POTTS, 2), (LINEAR, 4)])
@pytest.mark.parametrize("kinds", [2, 4])
def test_within_its_factor_of_the_minimum(pairwise, factor, kinds):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        unary, edges = generator.random((3, 2, 4)) * 4, generator.random((2, 4, kinds)) * 2
        found = alpha_expansion(unary, pairwise, edges)
        energy = energy_of(found.labels, unary, pairwise, edges)
        assert energy == pytest.approx(found.energies[-1])
        least = min(
            energy_of(np.array(labels).reshape(2, 4), unary, pairwise, edges) for labels in product(range(3), repeat=8)
        )
        assert least - 1e-9 <= energy <= factor * least


def test_energy_never_rises_and_no_move_is_left():
    generator = np.random.default_rng(0)
    unary = generator.random((5, 40, 30)) * 3
    pairwise = 1 - np.eye(5)
    found = alpha_expansion(unary, pairwise)
    assert list(found.energies) == sorted(found.energies, reverse=True)
    assert found.energies[-1] == found.energies[-2] < found.energies[0]


def test_two_classes_are_one_cut():
    generator = np.random.default_rng(1)
    unary, edges = generator.random((2, 20, 20)) * 4, generator.random((20, 20, 4))
    labels = alpha_expansion(unary, 1 - np.eye(2), edges).labels
    np.testing.assert_array_equal(labels == 1, GridCut(edges).solve(unary[0] - unary[1]).foreground)


@pytest.mark.parametrize(
    ("pairwise", "unary", "message"),
    [
        (1 - np.eye(2), np.zeros((3, 2, 2)), r"must be \(K, H, W\), \(K, K\)"),
        (np.ones((3, 3)), np.zeros((3, 2, 2)), "`pairwise` must be a metric"),
        (np.triu(POTTS), np.zeros((3, 2, 2)), "`pairwise` must be a metric"),
        (LINEAR**2, np.zeros((3, 2, 2)), "truncate or symmetrise it"),
        (POTTS, np.full((3, 2, 2), np.inf), "`unary` holds a cost that is not finite"),
    ],
)
def test_what_is_refused(pairwise, unary, message, unchecked_shapes):
    with pytest.raises(ArgumentError, match=message):
        alpha_expansion(unary, pairwise)
