"""The linear yardstick: its gradient, its features, and what it can and cannot tell apart."""

from dataclasses import dataclass

import numpy as np
import pytest

from intarsia.diagnostics import fit_linear_baseline
from intarsia.diagnostics.report.linear_baseline import logistic_loss, pixel_features
from intarsia.errors import ArgumentError, DataError


@dataclass
class Pair:
    picture: np.ndarray
    labels: np.ndarray

    def image(self):
        return self.picture

    def mask(self):
        return self.labels


def stripes(classes, size=48):
    """Upright stripes, one a class."""
    row = np.arange(size) * classes // size
    return np.repeat(row[None], size, axis=0).astype(np.uint8)


def coloured(labels, seed=0, noise=6.0):
    generator = np.random.default_rng(seed)
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [180, 180, 40]])
    picture = colours[labels] + generator.normal(scale=noise, size=(*labels.shape, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def test_the_gradient_of_the_loss_equals_finite_differences():
    generator = np.random.default_rng(0)
    inputs, labels = generator.normal(size=(50, 7)), generator.integers(0, 4, size=50)
    weights = generator.normal(size=28)
    _, gradient = logistic_loss(weights, inputs, labels, classes=4)
    steps = 1e-6 * np.eye(28)
    differences = [
        (logistic_loss(weights + step, inputs, labels, 4)[0] - logistic_loss(weights - step, inputs, labels, 4)[0])
        / 2e-6
        for step in steps
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-9)


def test_large_logits_do_not_overflow():
    loss, gradient = logistic_loss(np.array([1e4, -1e4]), np.ones((3, 1)), np.zeros(3, dtype=np.int64), classes=2)
    assert np.isfinite([loss, *gradient]).all()


def test_a_ramp_has_its_slope_as_derivative_at_every_scale():
    columns = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (64, 128, 3))
    features = pixel_features(columns).reshape(64, 128, -1)
    inner = features[20:-20, 20:-20]
    slope = 1 / 255
    expected = np.array([slope, 0, slope] * 3)
    np.testing.assert_allclose(inner[..., 3:], np.broadcast_to(expected, inner[..., 3:].shape), atol=1e-6)
    np.testing.assert_allclose(features[..., :3], columns / 255, atol=1e-6)


def test_turning_the_image_exchanges_the_derivatives():
    image = np.random.default_rng(1).integers(0, 256, size=(30, 30, 3), dtype=np.uint8)
    upright = pixel_features(image).reshape(30, 30, 4, 3)
    lying = pixel_features(image.transpose(1, 0, 2)).reshape(30, 30, 4, 3).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(lying[:, :, 1:, [1, 0, 2]], upright[:, :, 1:], atol=1e-6)


def test_colours_are_told_apart():
    labels = stripes(4)
    baseline = fit_linear_baseline([Pair(coloured(labels), labels)], classes=4)
    prediction = baseline.predict(coloured(labels, seed=1))
    assert prediction.dtype == np.uint8
    assert (prediction == labels).mean() > 0.99


def test_rough_and_smooth_of_one_mean_colour_are_told_apart():
    labels = stripes(2)
    generator = np.random.default_rng(0)
    picture = (128 + generator.normal(size=(48, 48, 1)) * np.where(labels == 0, 2, 40)[..., None]).clip(0, 255)
    picture = np.repeat(picture, 3, axis=2).astype(np.uint8)
    baseline = fit_linear_baseline([Pair(picture, labels)], classes=2)
    assert (baseline.predict(picture) == labels).mean() > 0.85


def test_the_mean_probabilities_are_the_class_frequencies():
    """At the optimum the derivative by the bias vanishes, so that both agree up to the weight decay."""
    generator = np.random.default_rng(0)
    labels = generator.choice(3, size=(40, 40), p=[0.7, 0.2, 0.1]).astype(np.uint8)
    picture = coloured(labels, noise=60)
    baseline = fit_linear_baseline([Pair(picture, labels)], classes=3)
    logits = pixel_features(picture) @ baseline.weights + baseline.bias
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities.mean(axis=0), np.bincount(labels.ravel()) / labels.size, atol=2e-3)


@pytest.mark.parametrize(("dtype", "ignore"), [(np.uint8, 255), (np.uint16, 65535)])
def test_ignored_pixels_have_no_say(dtype, ignore):
    labels = stripes(3).astype(dtype)
    labels[:20] = ignore
    picture = coloured(stripes(3))
    other = picture.copy()
    other[:3] = 255 - other[:3]  # further from the labelled rows than the widest Gaussian reaches (17)
    ours, theirs = (fit_linear_baseline([Pair(image, labels)], classes=3, pixels=500) for image in (picture, other))
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-4, atol=1e-4)


def test_the_seed_decides_the_draw():
    labels = stripes(4)
    pairs = [Pair(coloured(labels, seed, noise=40), labels) for seed in range(4)]
    first, again, other = (fit_linear_baseline(pairs, classes=4, pixels=400, seed=seed) for seed in (3, 3, 4))
    assert (first.weights == again.weights).all()
    assert not np.allclose(first.weights, other.weights)


def test_a_class_that_was_never_drawn_stays_finite():
    labels = stripes(2)
    baseline = fit_linear_baseline([Pair(coloured(labels), labels)], classes=300, pixels=200)
    assert np.isfinite(baseline.weights).all()
    assert baseline.predict(coloured(labels)).dtype == np.uint16


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2)])
def test_every_size_is_predicted(size):
    labels = stripes(2)
    baseline = fit_linear_baseline([Pair(coloured(labels), labels)], classes=2, pixels=200)
    assert baseline.predict(np.zeros((*size, 3), dtype=np.uint8)).shape == size


GREY = np.full((4, 4, 3), 128, dtype=np.uint8)
EMPTY = np.full((4, 4), 255, dtype=np.uint8)


@pytest.mark.parametrize(
    ("samples", "settings", "error", "message"),
    [
        ([], {"classes": 2}, DataError, "None of the 0 images has a labelled pixel"),
        ([Pair(GREY, EMPTY)], {"classes": 2}, DataError, "None of the 1 images has a labelled pixel"),
        ([Pair(GREY, EMPTY // 51)], {"classes": 2}, DataError, "value 5, but with 2 classes the largest index is 1"),
        ([Pair(GREY, EMPTY // 255)], {"classes": 0}, ArgumentError, r"`classes` \(=0\) and `pixels` \(=40000\)"),
        ([Pair(GREY, EMPTY // 255)], {"classes": 2, "pixels": 0}, ArgumentError, r"`pixels` \(=0\) must be at least 1"),
    ],
)
def test_refusals(samples, settings, error, message):
    with pytest.raises(error, match=message):
        fit_linear_baseline(samples, **settings)
