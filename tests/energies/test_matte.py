"""Mattes: the guided filter as its paper has it, window by window, along the outline."""

import sys

import numpy as np

from intarsia.energies.matte import matte


def windows(size, radius):
    """The window of each pixel, as slices."""
    for y, x in np.ndindex(*size):
        yield (y, x), (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))


def guided_filter(guide, shares, radius, epsilon):
    """Equations 14 to 16, by loops."""
    size, channels = shares.shape, guide.shape[2]
    slopes, offsets, result = np.zeros(guide.shape), np.zeros(size), np.zeros(size)
    for place, window in windows(size, radius):
        colours, wanted = guide[window].reshape(-1, channels), shares[window].ravel()
        covariance = np.cov(colours.T, bias=True).reshape(channels, channels) + epsilon * np.eye(channels)
        joint = ((colours - colours.mean(0)) * (wanted - wanted.mean())[:, None]).mean(0)
        slopes[place] = np.linalg.solve(covariance, joint)
        offsets[place] = wanted.mean() - slopes[place] @ colours.mean(0)
    for place, window in windows(size, radius):
        result[place] = slopes[window].reshape(-1, channels).mean(0) @ guide[place] + offsets[window].mean()
    return result.clip(0, 1)


def an_outline(size=(40, 50)):
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - 17) ** 2 + (x - 27) ** 2 < 80


def test_along_the_outline_it_is_the_guided_filter_and_elsewhere_the_mask():
    foreground = an_outline()
    for channels in (1, 3):
        image = np.random.default_rng(0).integers(0, 256, (*foreground.shape, channels), np.uint8)
        found = matte(image, foreground, radius=2, epsilon=1e-2)
        wanted = guided_filter(image / 255, foreground.astype(float), 2, 1e-2)
        near = np.zeros_like(foreground)
        for place, window in windows(foreground.shape, 2):
            near[place] = 0 < foreground[window].mean() < 1
        np.testing.assert_allclose(found[near], wanted[near], atol=1e-6)
        np.testing.assert_array_equal(found[~near], foreground[~near])


def test_strips_of_rows_join_without_a_seam(monkeypatch):
    foreground = an_outline()
    image = np.random.default_rng(0).integers(0, 256, (*foreground.shape, 3), np.uint8)
    whole = matte(image, foreground)
    monkeypatch.setattr(sys.modules[matte.__module__], "_ROWS", 7)
    np.testing.assert_allclose(matte(image, foreground), whole, atol=1e-6)


def test_a_true_share_is_found_where_colours_mix_along_an_edge():
    """A straight edge at a fraction of a pixel: the mixed pixels' shares come back, by more than half."""
    share = np.clip(20.3 - np.arange(40.0), 0, 1)[None].repeat(30, 0)
    image = share[..., None] * (220, 40, 30) + (1 - share[..., None]) * (20, 60, 180)
    found = matte(np.rint(image).astype(np.uint8), share > 0.5)
    assert np.abs(found - share).max() < 0.5 * np.abs((share > 0.5) - share).max()


def test_all_or_nothing_has_no_edge():
    image = np.zeros((5, 6, 3), np.uint8)
    assert (matte(image, np.ones((5, 6), bool)) == 1).all()
    assert (matte(image, np.zeros((5, 6), bool)) == 0).all()
