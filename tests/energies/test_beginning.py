"""The beginning of GrabCut: sides that are apart from the start, and the least energy among several tries."""

from dataclasses import replace

import numpy as np
import pytest

from intarsia.energies import beginning
from intarsia.energies.beginning import best_beginning, contrasting_mixtures
from intarsia.energies.levels import levels_of
from intarsia.energies.scene import Scene
from intarsia.energies.settings import Settings
from intarsia.energies.trimap import trimap_of_box

SETTINGS = Settings(iterations=5, components=2, gamma=10.0, connectivity=8, data_term="component", seed=0)
OUTSIDE, INSIDE = np.array((60, 90, 120)), np.array((180, 60, 40))


def a_small_object(noise=6.0):
    """Of which a box holds three times as much background."""
    object_ = np.zeros((60, 60), bool)
    object_[20:40, 20:40] = True
    image = np.where(object_[..., None], INSIDE, OUTSIDE) + np.random.default_rng(0).normal(0, noise, (60, 60, 3))
    return levels_of(image.clip(0, 255).astype(np.uint8)), trimap_of_box((10, 10, 50, 50), (60, 60)), object_


def test_the_foreground_begins_as_the_half_that_is_least_like_the_background():
    levels, trimap, object_ = a_small_object()
    mixtures = contrasting_mixtures(levels, trimap, 2, np.random.default_rng(0))
    np.testing.assert_allclose(mixtures.background.means, np.tile(OUTSIDE, (2, 1)), atol=10)
    nearest = np.abs(mixtures.foreground.means - INSIDE).sum(axis=1).argmin()
    np.testing.assert_allclose(mixtures.foreground.means[nearest], INSIDE, atol=3)
    assert mixtures.foreground.weights[nearest] == pytest.approx(object_.sum() / 800, rel=0.02)  # of half the box


def test_known_foreground_counts_though_it_looks_like_the_background():
    levels, trimap, _ = a_small_object()
    shares = []
    for code in (3, 1):
        trimap[12:18, 12:48] = code
        foreground = contrasting_mixtures(levels, trimap, 2, np.random.default_rng(0)).foreground
        shares.append(foreground.weights[np.abs(foreground.means - OUTSIDE).sum(axis=1).argmin()])
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[1] > 0.55


def test_one_colour_gives_both_sides_that_colour():
    levels, trimap, _ = a_small_object(noise=0)
    levels = levels_of(np.full_like(levels.values, 7))
    mixtures = contrasting_mixtures(levels, trimap, 2, np.random.default_rng(0))
    assert mixtures.background.means.tolist() == mixtures.foreground.means.tolist() == [[7, 7, 7]]


@pytest.mark.parametrize("data_term", ["component", "mixture"])
def test_the_beginning_of_least_energy_is_taken(monkeypatch, data_term):
    levels, trimap, object_ = a_small_object(noise=40)
    settings, scene = replace(SETTINGS, components=5, data_term=data_term), Scene(levels, trimap, 10, 8)

    def energy(tries):
        monkeypatch.setattr(beginning, "_BEGINNINGS", tries)
        foreground, mixtures = best_beginning(scene, settings)
        assert (foreground == object_).mean() > 0.95
        return mixtures.refitted(levels, foreground)[1] + scene.boundary(foreground)

    few, many = energy(1), energy(8)
    assert many <= few * (1 + 1e-4)
