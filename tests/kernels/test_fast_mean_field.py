"""Mean field on images, beside the same steps in float64, with the general lattice as a matrix."""

import numpy as np
import pytest

from intarsia.kernels.mean_field.class_blocks import to_planes, to_rows
from intarsia.kernels.mean_field.fast import Appearance, FastMeanField, Smoothness, is_fast
from intarsia.kernels.mean_field.smoothness_grid import line_of
from intarsia.kernels.permutohedral.general import Permutohedral
from intarsia.kernels.vectors.vector_type import aligned

SIZE = (13, 19)


def scene(classes, channels=3, size=SIZE):
    generator = np.random.default_rng(classes)
    levels = generator.integers(0, 256, (*size, channels)).astype(np.uint8)
    logits = generator.normal(0, 2, (classes, *size))
    return levels, (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)


def smoothing(length, sigma):
    """Σ over pixels as a matrix, from the grid's weights and taps."""
    line = line_of(length, sigma)
    to = np.zeros((length, line.length))
    to[np.arange(length), line.cells] += line.weights[0]
    to[np.arange(length), line.cells + 1] += line.weights[1]
    reach = len(line.taps) // 2
    apart = np.subtract.outer(np.arange(line.length), np.arange(line.length))
    return to @ np.where(abs(apart) <= reach, line.taps[np.clip(apart + reach, 0, 2 * reach)], 0) @ to.T


def filtering(levels, sxy, srgb):
    """The general lattice as a matrix, normalised."""
    y, x = np.mgrid[: levels.shape[0], : levels.shape[1]]
    features = np.dstack([x / sxy, y / sxy, levels / srgb]).reshape(x.size, -1).astype(np.float32)
    matrix = Permutohedral(features).filter(np.eye(x.size, dtype=np.float32)).astype(float)
    root = 1 / np.sqrt(matrix.sum(axis=1))
    return matrix * root * root[:, None]


def slowly(probabilities, iterations, kernel, compatibility):
    """Algorithm 1, one matrix for all kernels."""
    p = np.clip(probabilities.reshape(len(probabilities), -1).astype(float), 1e-5, 1)
    q = p / p.sum(axis=0)
    for _ in range(iterations):
        logits = np.log(p) - compatibility @ (q @ kernel.T)
        q = np.exp(logits - logits.max(axis=0))
        q /= q.sum(axis=0)
    return q.reshape(probabilities.shape)


def assert_near(result, wanted):
    """Where two rests are equal but for rounding, the two lattices have another corner of weight 0 each."""
    assert abs(result - wanted).mean() < 2e-5
    assert abs(result - wanted).max() < 0.05


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("classes", "channels"), [(2, 3), (3, 1), (21, 3), (40, 2)])
@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_it_is_mean_field_on_the_general_lattice(classes, channels, sigma, threads):
    levels, probabilities = scene(classes, channels)
    smoothness, appearance = Smoothness(3.0, sigma), Appearance(4.0, 6.0, 60.0)
    fast = FastMeanField(levels, SIZE, threads)
    assert fast.prepare(appearance)
    result = fast.run(probabilities, 4, smoothness, appearance)
    kernel = 3 * np.kron(smoothing(SIZE[0], sigma), smoothing(SIZE[1], sigma)) + 4 * filtering(levels, 6.0, 60.0)
    wanted = slowly(probabilities, 4, kernel, -np.eye(classes))
    assert_near(result, wanted)
    again = fast.run(probabilities, 4, smoothness, appearance)
    np.testing.assert_array_equal(result, again)  # buffers of a call before do not matter


def test_labels_that_cost_differently():
    levels, probabilities = scene(5)
    costs = np.random.default_rng(0).random((5, 5))
    smoothness, appearance = Smoothness(2.0, 3.0), Appearance(2.0, 6.0, 60.0)
    fast = FastMeanField(levels, SIZE, 2)
    assert fast.prepare(appearance)
    result = fast.run(probabilities, 3, smoothness, appearance, costs.astype(np.float32))
    kernel = 2 * np.kron(smoothing(SIZE[0], 3.0), smoothing(SIZE[1], 3.0)) + 2 * filtering(levels, 6.0, 60.0)
    assert_near(result, slowly(probabilities, 3, kernel, costs))


@pytest.mark.parametrize("weight", [400.0, 3000.0])
def test_messages_beyond_the_exponential(weight):
    levels, probabilities = scene(6)
    levels[:] = 0
    fast, appearance = FastMeanField(levels, SIZE), Appearance(weight, 6.0, 60.0)
    assert fast.prepare(appearance)
    result = fast.run(probabilities, 2, Smoothness(0.0, 3.0), appearance)
    wanted = slowly(probabilities, 2, weight * filtering(levels, 6.0, 60.0), -np.eye(6))
    assert np.isfinite(result).all()
    assert abs(result - wanted).mean() < 1e-3


@pytest.mark.parametrize("classes", [2, 5])
def test_no_weight_and_no_iteration_leave_the_clipped_probabilities(classes):
    levels, probabilities = scene(classes)
    probabilities[:, 0, 0] = np.eye(classes)[0]
    wanted = np.clip(probabilities, 1e-5, 1)
    for iterations, weight in ((0, 3.0), (2, 0.0)):
        smoothness, appearance = Smoothness(weight, 3.0), Appearance(weight, 6.0, 60.0)
        fast = FastMeanField(levels, SIZE)
        assert fast.prepare(appearance)
        result = fast.run(probabilities, iterations, smoothness, appearance)
        np.testing.assert_allclose(result, wanted / wanted.sum(axis=0), rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 64), (64, 1), (8, 8), (3, 43), (2, 500)])
@pytest.mark.parametrize("classes", [2, 21])
def test_narrow_images_and_more_threads_than_rows(size, classes):
    levels, probabilities = scene(classes, 3, size)
    appearance = Appearance(5.0, 6.13, 57.3)
    results = []
    for threads in (1, 2, 7):
        fast = FastMeanField(levels, size, threads)
        assert fast.prepare(appearance)
        results.append(fast.run(probabilities, 3, Smoothness(3.0, 3.0), appearance))
    kernel = 3 * np.kron(smoothing(size[0], 3.0), smoothing(size[1], 3.0)) + 5 * filtering(levels, 6.13, 57.3)
    assert_near(results[0], slowly(probabilities, 3, kernel, -np.eye(classes)))
    for other in results[1:]:
        np.testing.assert_allclose(results[0], other, atol=1e-5)


def test_what_it_serves():
    assert is_fast((8, 8), 3, "symmetric")
    assert not is_fast((7, 9), 3, "symmetric")
    assert not is_fast((8, 8, 8), 3, "symmetric")
    assert not is_fast((8, 8), 6, "symmetric")
    assert not is_fast((8, 8), 3, "after")


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.99, 2.0, 3.0, 5.0])
def test_smoothness_is_the_gaussian_of_all_pairs(sigma):
    apart = np.subtract.outer(np.arange(50), np.arange(50))
    wanted = np.exp(-0.5 * (apart / sigma) ** 2)
    root = 1 / np.sqrt(wanted.sum(axis=1))
    wanted *= root * root[:, None]
    found = smoothing(50, sigma)
    assert abs(found - wanted).sum(axis=1).max() < (0.04 if sigma >= 2 else 1e-3)
    if sigma >= 1:
        middle = found[25] / found[25].sum()
        np.testing.assert_allclose((middle * apart[25] ** 2).sum(), sigma**2, rtol=0.01)


@pytest.mark.parametrize("sigma", [30.0, 1e5, 1e8, 1e300])
def test_taps_reach_no_further_than_the_pixels(sigma):
    """There is memory for no more; and what reaches all pixels is not cut off anywhere."""
    assert len(line_of(50, sigma).taps) <= 53
    apart = np.subtract.outer(np.arange(50), np.arange(50)) / sigma
    wanted = np.exp(-0.5 * apart**2)
    root = 1 / np.sqrt(wanted.sum(axis=1))
    np.testing.assert_allclose(smoothing(50, sigma), wanted * root * root[:, None], rtol=1e-3)


@pytest.mark.parametrize(("classes", "lanes"), [(3, 8), (16, 16), (21, 24), (33, 40)])
def test_planes_become_rows_and_planes_again(classes, lanes):
    planes = np.random.default_rng(0).random((classes, 100), np.float32)
    rows, tile, back = aligned(100, lanes), aligned(lanes, 64), np.empty_like(planes)
    to_rows(planes, rows, tile, 0, 100)
    wanted = np.clip(planes, 1e-5, 1)
    wanted /= wanted.sum(axis=0)
    np.testing.assert_allclose(rows[:, :classes], wanted.T, rtol=1e-6)
    assert not rows[:, classes:].any()
    to_planes(rows, back, tile, 0, 100)
    np.testing.assert_array_equal(back, rows[:, :classes].T)
