"""Mixtures of Gaussians that say how likely a colour is on either side of an outline."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from intarsia.energies.levels import Levels
from intarsia.errors import DataError
from intarsia.files import write_text
from intarsia.kernels.mixtures import costs, moments

Pixels = UInt8[np.ndarray, "N C"] | Float32[np.ndarray, "N C"]

_LEAST_VARIANCE = 1 / 12  # of a level: what rounding to whole levels leaves unknown
_SAMPLE, _ROUNDS = 1 << 14, 10  # pixels and rounds of k-means; it only says where to begin


class Packed(NamedTuple):
    """A mixture as the kernels take it: component k costs ``offsets[k] + |factors[k] (z - means[k])|²``."""

    offsets: Float32[np.ndarray, "K"]
    means: Float32[np.ndarray, "K C"]
    factors: Float32[np.ndarray, "K C C"]


@dataclass(frozen=True)
class GaussianMixture:
    """K components with full covariances over C channels, in the units of the image.

    Attributes:
        weights: above 0, with the sum 1.
        means: one row a component.
        covariances: one symmetric, positive definite matrix a component.
    """

    weights: Float[np.ndarray, "K"]
    means: Float[np.ndarray, "K C"]
    covariances: Float[np.ndarray, "K C C"]

    def packed(self, levels: Levels) -> Packed:
        """For the levels of an image: -log π + ½ log det Σ + ½ (z - μ)ᵀ Σ⁻¹ (z - μ), the D of Rother et al., eq. 9."""
        means = (self.means - levels.black) / levels.step
        lower = np.linalg.cholesky(self.covariances / levels.step**2)
        factors = np.linalg.inv(lower) * np.sqrt(0.5)
        half_log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        offsets = half_log_det - np.log(self.weights)
        return Packed(offsets.astype(np.float32), means.astype(np.float32), factors.astype(np.float32, order="C"))

    def costs(self, levels: Levels, mixed: bool = False) -> Float32[np.ndarray, "H W"]:
        """Of each pixel: that of the cheapest component, or if `mixed` -log Σ exp(-cost), without C/2 · log 2π."""
        return costs(levels.pixels, *self.packed(levels), mixed).reshape(levels.values.shape[:2])

    def refitted(self, levels: Levels, chosen: Bool[np.ndarray, "H W"]) -> tuple["GaussianMixture", float]:
        """To the chosen pixels, each of which goes to its cheapest component; with what they cost before.

        No other mixture with this assignment and without variances below that of rounding costs them less: eigenvalues
        of the covariances are raised to 1/12 of a squared level. Components without a pixel are dropped. If no pixel is
        chosen the mixture stays.
        """
        counts, sums, products, cost = moments(levels.pixels, chosen.reshape(-1), *self.packed(levels))
        return (_of_moments(counts, sums, products, levels) if counts.any() else self), float(cost)

    def to_json(self) -> dict[str, Any]:
        """Lists of numbers by the names of the attributes."""
        return {name: getattr(self, name).tolist() for name in ("weights", "means", "covariances")}


@dataclass(frozen=True)
class Mixtures:
    """The colours of both sides, to be kept and used for the next image.

    >>> import tempfile
    >>> one = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Mixtures(one, one).save(f"{folder}/colours.json")
    ...     Mixtures.load(f"{folder}/colours.json").background.means.tolist()
    [[0.0, 0.0, 0.0]]
    """

    background: GaussianMixture
    foreground: GaussianMixture

    @property
    def channels(self) -> int:
        """C, of both."""
        return self.background.means.shape[1]

    def refitted(self, levels: Levels, foreground: Bool[np.ndarray, "H W"]) -> tuple["Mixtures", float]:
        """Each to the pixels of its side; with what all pixels cost before."""
        inside, cost_inside = self.foreground.refitted(levels, foreground)
        outside, cost_outside = self.background.refitted(levels, ~foreground)
        return Mixtures(outside, inside), cost_inside + cost_outside

    def save(self, path: str | Path) -> None:
        """Write them as JSON."""
        write_text(path, json.dumps({"background": self.background.to_json(), "foreground": self.foreground.to_json()}))

    @classmethod
    def load(cls, path: str | Path) -> "Mixtures":
        """Read what `save` wrote.

        Raises:
            DataError: the file holds something else.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(_from_json(stored["background"]), _from_json(stored["foreground"]))
        except (ValueError, TypeError, LookupError) as error:
            raise DataError(f"`{path}` holds no mixtures; only files that `Mixtures.save` wrote do.") from error


def first_mixture(
    levels: Levels,
    chosen: Bool[np.ndarray, "H W"],
    components: int,
    generator: np.random.Generator,
    sample_size: int = _SAMPLE,
) -> GaussianMixture:
    """Of the chosen pixels, at least one: k-means++ and ten rounds of k-means on a sample of them, then one fit to all.

    Colours that are fewer than `components` get one each.
    """
    places = np.flatnonzero(chosen)
    if len(places) > sample_size:
        places = places[np.sort(generator.integers(0, len(places), sample_size))]
    sample = levels.pixels[places].astype(np.float32)
    centres, everyone = _spread(sample, components, generator), np.ones(len(sample), np.bool_)
    for _ in range(_ROUNDS):
        counts, sums, _, _ = moments(sample, everyone, *_round(centres))
        centres = (sums[counts > 0] / counts[counts > 0, None]).astype(np.float32)
    counts, sums, products, _ = moments(levels.pixels, chosen.reshape(-1), *_round(centres))
    return _of_moments(counts, sums, products, levels)


def _spread(
    sample: Float32[np.ndarray, "N C"], components: int, generator: np.random.Generator
) -> Float32[np.ndarray, "K C"]:
    """k-means++ (Arthur and Vassilvitskii 2007): each centre is drawn by its squared distance from those before it."""
    centres = [sample[generator.integers(len(sample))]]
    distances = np.full(len(sample), np.inf)
    while len(centres) < components:
        distances = np.minimum(distances, np.square(sample - centres[-1]).sum(axis=1, dtype=np.float64))
        if not distances.any():
            break
        cumulated = distances.cumsum()
        drawn = np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right")
        centres.append(sample[min(int(drawn), int(np.flatnonzero(distances)[-1]))])
    return np.stack(centres)


def _round(centres: Float32[np.ndarray, "K C"]) -> Packed:
    """Components that cost the squared distance from their centre."""
    count, channels = centres.shape
    return Packed(np.zeros(count, np.float32), centres, np.tile(np.eye(channels, dtype=np.float32), (count, 1, 1)))


def _of_moments(
    counts: Float[np.ndarray, "K"],
    sums: Float[np.ndarray, "K C"],
    products: Float[np.ndarray, "K C C"],
    levels: Levels,
) -> GaussianMixture:
    """The likeliest mixture among those whose covariances have no eigenvalue below that of rounding."""
    used = counts > 0
    counts, means = counts[used], sums[used] / counts[used, None]
    lower = products[used] / counts[:, None, None] - means[:, :, None] * means[:, None, :]
    variances, axes = np.linalg.eigh(lower)  # which reads the lower triangles only
    covariances = (axes * np.maximum(variances, _LEAST_VARIANCE)[:, None, :]) @ axes.transpose(0, 2, 1)
    return GaussianMixture(counts / counts.sum(), levels.black + levels.step * means, levels.step**2 * covariances)


def _from_json(stored: Mapping[str, Any]) -> GaussianMixture:
    weights, means, covariances = (np.asarray(stored[name], float) for name in ("weights", "means", "covariances"))
    count, channels = means.shape
    if weights.shape != (count,) or covariances.shape != (count, channels, channels):
        raise ValueError("shapes")
    return GaussianMixture(weights, means, covariances)
