"""What a sensor measures: so many pixels, in a grid, on lines, where there is texture; the same for the same seed."""

import numpy as np
import pytest

from intarsia.data import generator_for
from intarsia.data.depth import Measuring, measure, parse_measuring
from intarsia.data.depth.measuring import OWN
from intarsia.errors import ArgumentError

KINDS = [Measuring("count", 60), Measuring("grid", 5), Measuring("lines", 9), Measuring("confidence", 60)]


def scene(rows: int = 40, columns: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Depths a tenth of which are unknown, and an image whose right half has texture."""
    draw = np.random.default_rng(0)
    depth = draw.uniform(1, 5, (rows, columns)).astype(np.float32)
    depth[draw.random(depth.shape) < 0.1] = 0
    image = np.full((rows, columns, 3), 120, np.uint8)
    image[:, columns // 2 :] = draw.integers(0, 255, (rows, columns - columns // 2, 1))
    return depth, image


@pytest.mark.parametrize("measuring", KINDS, ids=str)
def test_what_is_measured_is_true_and_the_same_each_time(measuring: Measuring) -> None:
    depth, image = scene()
    first, again, other = (measure(depth, image, measuring, generator_for(3, 1, i)) for i in (4, 4, 5))
    assert first.dtype == np.float32
    assert ((first == depth) | (first == 0)).all()
    assert first.any()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", ["count", "confidence"])
@pytest.mark.parametrize("amount", [1, 60, 100_000])
def test_counts(kind: str, amount: int) -> None:
    depth, image = scene()
    measured = measure(depth, image, parse_measuring(f"{kind}:{amount}"), generator_for(0))
    assert (measured > 0).sum() == min(amount, (depth > 0).sum())


def test_every_pixel_is_as_likely_as_another() -> None:
    depth, image = np.ones((4, 5), np.float32), np.zeros((4, 5, 3), np.uint8)
    times = sum(measure(depth, image, Measuring("count", 5), generator_for(0, i)) for i in range(2000))
    assert np.abs(times - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)  # five standard deviations


def test_a_grid_is_one() -> None:
    depth, image = np.ones((23, 31), np.float32), np.zeros((23, 31, 3), np.uint8)
    measured = measure(depth, image, Measuring("grid", 5), generator_for(1))
    rows, columns = (np.flatnonzero(measured.any(axis)) for axis in (1, 0))
    assert set(np.diff(rows)) == set(np.diff(columns)) == {5}
    assert measured.sum() == len(rows) * len(columns)


def test_scan_lines_have_equal_angles_and_bend_outwards() -> None:
    rows, columns, lines = 100, 160, 8
    flat = np.ones((rows, columns), np.float32)
    measured = measure(flat, np.zeros((rows, columns, 3), np.uint8), Measuring("lines", lines), generator_for(2))
    middle, edge = (np.flatnonzero(measured[:, column]) for column in (columns // 2, 0))
    assert len(middle) == lines
    elevations = np.arctan((middle + 0.5 - rows / 2) / columns)
    np.testing.assert_allclose(np.diff(elevations), 2 * np.arctan(rows / 2 / columns) / lines, atol=1.1 / columns)
    assert np.ptp(edge[(edge > 0) & (edge < rows - 1)]) >= np.ptp(middle[1:-1])


def test_confidence_prefers_texture() -> None:
    depth, image = scene()
    measured = measure(depth, image, Measuring("confidence", 100), generator_for(0))
    plain, textured = (measured[:, half] > 0 for half in (slice(0, 28), slice(32, 60)))
    assert textured.sum() > 5 * plain.sum() > 0  # a little everywhere: sensors err


def test_nothing_known_gives_nothing() -> None:
    for measuring in KINDS:
        depth = np.zeros((8, 9), np.float32)
        assert not measure(depth, np.zeros((8, 9, 3), np.uint8), measuring, generator_for(0)).any()


WORDS = [("500", Measuring()), (" grid:16 ", Measuring("grid", 16)), ("lines:32", Measuring("lines", 32)), ("own", OWN)]


@pytest.mark.parametrize(("text", "measuring"), WORDS)
def test_it_is_written_in_a_word(text: str, measuring: Measuring) -> None:
    assert parse_measuring(text) == measuring == parse_measuring(str(measuring))


REFUSED = [
    ("0", r"`amount` \(=0\) must be at least 1: without any depth there is no scale"),
    ("line:5", "There is no way to measure `line`; did you mean lines"),
    ("many", "`many` is no way to measure; write a number of pixels, grid:16"),
    ("grid:-3", "`grid:-3` is no way to measure"),
    ("own:3", "There is no way to measure `own`"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_refusals(text: str, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        parse_measuring(text)


def test_a_sensors_own_measurements_are_not_drawn() -> None:
    with pytest.raises(ArgumentError, match=r"`measuring` \(=own\) draws nothing: take what the sample's sensor"):
        measure(*scene(), OWN, generator_for(0))
