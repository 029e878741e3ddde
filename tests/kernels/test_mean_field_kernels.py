"""Gaussians along axes, and the step of mean field at each position, written out in float64."""

import numpy as np
import pytest

from intarsia.kernels.mean_field.gaussian import add_along, gaussian_taps
from intarsia.kernels.mean_field.update import divergence, mix_classes, update


@pytest.mark.parametrize("length", [1, 2, 7, 40])
@pytest.mark.parametrize("deviation", [0.3, 1.0, 5.0])
def test_along_an_axis_it_is_the_gaussian_of_all_pairs(length, deviation):
    generator = np.random.default_rng(length)
    values, before, after = generator.random((3, length, 4)), generator.random(length), generator.random(length)
    distances = np.subtract.outer(np.arange(length), np.arange(length))
    K = after[:, None] * np.exp(-0.5 * np.square(distances / deviation)) * before
    found = np.ones_like(values)
    add_along(values, gaussian_taps(deviation, length), before, after, found)
    np.testing.assert_allclose(found, 1 + np.einsum("ij,ajb->aib", K, values), rtol=2e-4)


@pytest.mark.parametrize("classes", [2, 21, 255, 600])
def test_update_is_the_softmax(classes):
    generator = np.random.default_rng(classes)
    unary, messages = (generator.normal(0, 30, (50, classes)).astype(np.float32) for _ in range(2))
    found = np.empty_like(unary)
    update(unary, messages, found)
    logits = unary.astype(np.float64) + messages
    wanted = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=2e-5, atol=1e-30)


def test_classes_mix_by_rows_of_the_matrix():
    generator = np.random.default_rng(0)
    messages, mu = generator.random((20, 4)).astype(np.float32), generator.normal(size=(4, 4)).astype(np.float32)
    found = messages.copy()
    mix_classes(found, np.ascontiguousarray(mu.T))
    np.testing.assert_allclose(found, -messages @ mu.T, rtol=1e-5, atol=1e-6)


def test_divergence_is_its_formula():
    generator = np.random.default_rng(0)
    unary, messages, q = (generator.random((30, 5)).astype(np.float32) for _ in range(3))
    q[0, 0] = 0
    wanted = sum(
        q[i, k] * (np.log(q[i, k]) - unary[i, k] - messages[i, k] / 2) for i in range(30) for k in range(5) if q[i, k]
    )
    assert divergence(unary, messages, q) == pytest.approx(wanted, rel=1e-5)
