"""Axes of the charts."""

from itertools import pairwise

import pytest

from intarsia.diagnostics.svg import ticks


@pytest.mark.parametrize(
    ("low", "high", "whole"),
    [(0, 1, False), (0, 0.013, False), (0, 7.3, False), (-1.2, 3, False), (0, 0, False), (1, 1, True), (1, 3, True),
     (1, 20, True), (0, 499, True), (1, 25, True), (0, 1e-9, False), (0, 4e7, False)],
)  # fmt: skip
def test_ticks_cover_the_range_evenly_and_are_few(low, high, whole):
    marks = ticks(low, high, about=5, whole=whole)
    assert marks[0] <= low + 1e-12 * abs(high)
    assert marks[-1] >= high - 1e-9 * abs(high)
    assert 2 <= len(marks) <= 8
    steps = {round((b - a) / (marks[1] - marks[0]), 6) for a, b in pairwise(marks)}
    assert steps == {1.0}
    if whole:
        assert all(mark == int(mark) for mark in marks)
