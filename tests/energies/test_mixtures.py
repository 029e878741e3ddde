"""Mixtures: likelihoods as SciPy has them, fits that nothing beats, a file that gives them back."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from intarsia.energies.levels import levels_of
from intarsia.energies.mixtures import GaussianMixture, Mixtures, first_mixture
from intarsia.errors import DataError


def an_image(channels=3, dtype=np.uint8, seed=0):
    """Three clouds of colours."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(60, 200, (3, channels))
    colours = centres[generator.integers(0, 3, (40, 50))] + generator.normal(0, 12, (40, 50, channels))
    return colours.clip(0, 255).astype(dtype)


def everywhere(image):
    return np.ones(image.shape[:2], bool)


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint8), (2, np.float64), (4, np.uint16)])
def test_costs_are_scipys_densities(channels, dtype):
    image = an_image(channels, dtype)
    levels = levels_of(image)
    mixture = first_mixture(levels, everywhere(image), 3, np.random.default_rng(0))
    logs = np.log(mixture.weights) + np.stack(
        [
            multivariate_normal(*one).logpdf(image.astype(float))
            for one in zip(mixture.means, mixture.covariances, strict=True)
        ],
        -1,
    )
    constant = channels * (np.log(2 * np.pi) / 2 + np.log(levels.step))
    np.testing.assert_allclose(mixture.costs(levels), -logs.max(axis=-1) - constant, atol=5e-3)
    np.testing.assert_allclose(mixture.costs(levels, mixed=True), -np.logaddexp.reduce(logs, -1) - constant, atol=5e-3)


def test_one_component_has_the_mean_and_covariance_of_its_pixels():
    image = an_image()
    chosen = np.random.default_rng(0).random(image.shape[:2]) < 0.3
    mixture = first_mixture(levels_of(image), chosen, 1, np.random.default_rng(0))
    np.testing.assert_allclose(mixture.means[0], image[chosen].mean(axis=0))
    np.testing.assert_allclose(mixture.covariances[0], np.cov(image[chosen].T, bias=True))


@pytest.mark.parametrize("seed", range(4))
def test_fitting_again_never_costs_more_and_comes_to_an_end(seed):
    image = an_image(seed=seed)
    levels, foreground = levels_of(image), np.random.default_rng(seed).random(image.shape[:2]) < 0.5
    generator = np.random.default_rng(seed)
    mixtures = Mixtures(*(first_mixture(levels, side, 5, generator) for side in (~foreground, foreground)))
    spent = []
    for _ in range(30):
        mixtures, cost = mixtures.refitted(levels, foreground)
        spent.append(cost)
    assert np.diff(spent).max() <= 1e-6 * spent[0]
    assert spent[-1] < spent[0]


def test_no_other_covariance_costs_the_pixels_less():
    """Also where the least variance binds: the pixels lie on a line."""
    line = np.linspace(10, 90, 60)[:, None] * np.array([1.0, 0.5, 0.25]) + 3
    image = np.rint(line).astype(np.uint8)[None]
    levels = levels_of(image)
    mixture = first_mixture(levels, everywhere(image), 1, np.random.default_rng(0))
    least = mixture.costs(levels).sum()
    assert np.linalg.eigvalsh(mixture.covariances[0])[0] == pytest.approx(1 / 12)
    generator = np.random.default_rng(0)
    for _ in range(50):
        change = generator.normal(0, 0.05, (3, 3))
        covariance = mixture.covariances[0] + change @ change.T  # no variance sinks
        assert GaussianMixture(mixture.weights, mixture.means, covariance[None]).costs(levels).sum() >= least - 1e-3


@pytest.mark.parametrize("colours", [1, 2])
def test_fewer_colours_than_components_get_one_each(colours):
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, : 3 * (colours - 1)] = (250, 10, 10)
    mixture = first_mixture(levels_of(image), everywhere(image), 5, np.random.default_rng(0))
    assert len(mixture.weights) == colours
    assert np.isfinite(mixture.costs(levels_of(image))).all()


def test_without_a_pixel_a_mixture_stays():
    image = an_image()
    mixture = first_mixture(levels_of(image), everywhere(image), 3, np.random.default_rng(0))
    fitted, cost = mixture.refitted(levels_of(image), ~everywhere(image))
    assert fitted is mixture
    assert cost == 0


def test_a_file_gives_the_same_mixtures_back(tmp_path):
    image = an_image()
    one, other = (first_mixture(levels_of(image), everywhere(image), k, np.random.default_rng(0)) for k in (2, 3))
    Mixtures(one, other).save(tmp_path / "colours.json")
    loaded = Mixtures.load(tmp_path / "colours.json")
    for kept, found in ((one, loaded.background), (other, loaded.foreground)):
        for name in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"background": {}}',
        '{"background": 3, "foreground": 4}',
        '{"background": {"weights": [1, 2], "means": [[0]], "covariances": [[[1]]]}}',
    ],
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "colours.json").write_text(text)
    with pytest.raises(DataError, match=r"colours\.json` holds no mixtures; only files"):
        Mixtures.load(tmp_path / "colours.json")
