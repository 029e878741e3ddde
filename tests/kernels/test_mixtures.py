"""Mixtures of Gaussians: sums over pixels, written out in float64."""

import numpy as np
import pytest

from intarsia.kernels.exponential import exponential
from intarsia.kernels.mixtures import costs, moments

CASES = [
    (1, 3, np.uint8),
    (511, 3, np.uint8),
    (1300, 3, np.float32),
    (700, 1, np.uint8),
    (600, 2, np.float32),
    (90, 7, np.uint8),
]


def a_mixture(channels, components=4):
    generator = np.random.default_rng(channels)
    offsets, means = generator.uniform(3, 9, components), generator.uniform(0, 255, (components, channels))
    factors = np.tril(generator.normal(0, 0.05, (components, channels, channels)))
    return tuple(part.astype(np.float32) for part in (offsets, means, factors))


def pixels_of(count, channels, dtype):
    return np.random.default_rng(count).integers(0, 256, (count, channels)).astype(dtype)


def costs_written_out(pixels, offsets, means, factors):
    differences = pixels[:, None, :].astype(np.float64) - means
    return offsets + np.square(np.einsum("kij,nkj->nki", factors.astype(np.float64), differences)).sum(axis=2)


@pytest.mark.parametrize(("count", "channels", "dtype"), CASES)
@pytest.mark.parametrize("mixed", [False, True])
def test_costs_are_those_of_the_formula(count, channels, dtype, mixed):
    pixels, mixture = pixels_of(count, channels, dtype), a_mixture(channels)
    each = costs_written_out(pixels, *mixture)
    wanted = -np.logaddexp.reduce(-each, axis=1) if mixed else each.min(axis=1)
    np.testing.assert_allclose(costs(pixels, *mixture, mixed), wanted, rtol=2e-6, atol=1e-4)


@pytest.mark.parametrize(("count", "channels", "dtype"), CASES)
def test_moments_are_exact_sums_over_the_pixels_of_each_component(count, channels, dtype):
    pixels, mixture = pixels_of(count, channels, dtype), a_mixture(channels)
    chosen = np.random.default_rng(0).random(count) < 0.7
    each = costs_written_out(pixels, *mixture)
    nearest, whole = each.argmin(axis=1), pixels.astype(np.int64)
    counts, sums, products, total = moments(pixels, chosen, *mixture)
    for k in range(len(counts)):
        own = whole[chosen & (nearest == k)]
        assert counts[k] == len(own)
        np.testing.assert_array_equal(sums[k], own.sum(axis=0))
        np.testing.assert_array_equal(products[k], np.tril(own.T @ own))
    np.testing.assert_allclose(total, each.min(axis=1)[chosen].sum(), rtol=1e-6)


def test_the_exponential_is_e_to_the_x():
    x = np.concatenate([np.linspace(-87, 0, 10_001), [-1e30, -np.inf]]).astype(np.float32)
    found = x.copy()
    exponential(found, np.empty_like(x))
    np.testing.assert_allclose(found, np.exp(np.maximum(x, -87).astype(np.float64)), rtol=5e-6)
    np.testing.assert_allclose(found[9_000:10_001], np.exp(x[9_000:10_001].astype(np.float64)), rtol=6e-7)
