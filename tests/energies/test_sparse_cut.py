"""Cuts of any graph against SciPy's flows, and against the grid."""

import numpy as np
import pytest
from scipy.sparse import coo_array, random_array
from scipy.sparse.csgraph import maximum_flow

from intarsia.energies import GridCut, SparseCut
from intarsia.errors import ArgumentError


def with_terminals(graph, terminals):
    """The same graph with a source and a sink, as SciPy wants it."""
    count = len(terminals)
    rows, columns = graph.coords
    plus, minus = np.flatnonzero(terminals > 0), np.flatnonzero(terminals < 0)
    rows = np.concatenate([rows, np.full(len(plus), count), minus])
    columns = np.concatenate([columns, plus, np.full(len(minus), count + 1)])
    data = np.concatenate([graph.data, terminals[plus], -terminals[minus]]).astype(np.int32)
    return coo_array((data, (rows, columns)), (count + 2, count + 2)).tocsr()


@pytest.mark.parametrize("seed", range(4))
def test_flows_are_scipys_cold_and_warm(seed):
    generator = np.random.default_rng(seed)
    graph = random_array(
        (60, 60), density=0.08, rng=generator, data_sampler=lambda size: generator.integers(1, 9, size)
    )
    cut = SparseCut(graph)
    for _ in range(3):
        terminals = generator.integers(-9, 10, 60).astype(float)
        cut.solve(terminals)
        assert cut.flow == maximum_flow(with_terminals(graph.tocoo(), terminals), 60, 61).flow_value
        rows, columns = graph.coords
        cost = graph.data[cut.foreground[rows] & ~cut.foreground[columns]].sum()
        cost += np.where(cut.foreground, np.maximum(-terminals, 0), np.maximum(terminals, 0)).sum()
        assert cost == cut.flow
        np.testing.assert_array_equal(cut.foreground, SparseCut(graph).solve(terminals).foreground)


def test_a_grid_as_a_graph():
    generator = np.random.default_rng(0)
    edges, terminals = generator.integers(0, 5, (8, 9, 2)), generator.integers(-9, 10, (8, 9)).astype(float)
    places = np.arange(72).reshape(8, 9)
    rows = np.concatenate([places[:, :-1].ravel(), places[:-1].ravel()])
    columns = np.concatenate([places[:, 1:].ravel(), places[1:].ravel()])
    data = np.concatenate([edges[:, :-1, 0].ravel(), edges[:-1, :, 1].ravel()])
    graph = coo_array((np.tile(data, 2), (np.r_[rows, columns], np.r_[columns, rows])), (72, 72))
    found, expected = SparseCut(graph).solve(terminals.ravel()), GridCut(edges).solve(terminals)
    assert found.flow == expected.flow
    np.testing.assert_array_equal(found.foreground, expected.foreground.ravel())


def test_what_is_refused():
    graph = coo_array(([1.0], ([0], [1])), (2, 2))
    with pytest.raises(ArgumentError, match=r"`capacities` \(of shape \(2, 3\)\) must be square"):
        SparseCut(np.ones((2, 3)))
    for factor in (-1, np.nan, np.inf, 1e15):
        with pytest.raises(ArgumentError, match=r"must be finite, not negative, and sum to at most 2\^44"):
            SparseCut(graph * factor)
    for terminals in (np.zeros(3), np.array([np.nan, 0]), np.array([np.inf, 0])):
        with pytest.raises(ArgumentError, match="must be one for each of the 2 nodes"):
            SparseCut(graph).solve(terminals)
