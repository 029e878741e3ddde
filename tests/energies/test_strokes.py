"""Strokes: the pixels near a line, pixel by pixel."""

from itertools import pairwise

import numpy as np
import pytest

from intarsia.energies.strokes import covered
from intarsia.errors import ArgumentError


def distance_to_line(x, y, start, stop):
    """Of one pixel, by the projection on the line."""
    start, stop, here = np.array(start, float), np.array(stop, float), np.array([x, y], float)
    along = stop - start
    share = np.clip((here - start) @ along / (along @ along), 0, 1) if along.any() else 0
    return np.hypot(*(here - start - share * along))


@pytest.mark.parametrize("radius", [0.6, 1, 2.5, 7])
@pytest.mark.parametrize(
    "points", [[(4, 3)], [(2, 2), (9, 5)], [(-3, 1), (5.5, 4.2), (5.5, 20)], [(0, 0), (0, 0), (12, 8)]]
)
def test_what_is_near_the_line_is_covered(points, radius):
    height, width = 9, 13
    lines = list(pairwise(points)) or [(points[0], points[0])]
    wanted = [
        y * width + x
        for y in range(height)
        for x in range(width)
        if min(distance_to_line(x, y, *line) for line in lines) <= radius + 1e-12
    ]
    assert covered(points, radius, (height, width)).tolist() == wanted


def test_a_brush_without_width_still_covers_the_pixels_of_its_points():
    assert covered([(1.2, 0.4), (3.4, 1.6)], 0, (3, 5)).tolist() == [1, 13]


def test_outside_of_the_image_nothing_is_covered():
    assert covered([(-5, -5), (-9, 90)], 3, (10, 10)).size == 0
    assert covered([(14, 5)], 3, (10, 10)).size == 0


@pytest.mark.parametrize(
    ("points", "radius", "complaint"),
    [
        ([], 1, r"`points` \(=\[\] …\) must be pairs \(x, y\) of finite numbers, at least one\."),
        ([(1, 2, 3)], 1, r"`points` \(=\[\(1, 2, 3\)\] …\) must be pairs"),
        ([(1, float("nan"))], 1, r"must be pairs \(x, y\) of finite numbers"),
        ([(1, 2), (3,)], 1, r"must be pairs"),
        ([(1, 2)], -1, r"`radius` \(=-1\) must be a number of pixels from 0 on\."),
        ([(1, 2)], float("inf"), r"`radius` \(=inf\) must be"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_other_strokes_are_refused(points, radius, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        covered(points, radius, (10, 10))
