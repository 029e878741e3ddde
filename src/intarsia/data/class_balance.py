"""How rare the classes of a training set are: what each weighs in a loss, and how often each image should be seen."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from intarsia.data.classes import Classes
from intarsia.data.dataset import Sample

Histogram = Int[np.ndarray, "N K"]
"""Of each of N images, the pixels of each of K classes."""

BETA = 0.9999  # Cui et al.'s for their largest sets


def class_histogram(samples: Sequence[Sample], classes: Classes) -> Histogram:
    """The pixels of each class in each mask, ignored ones left out; masks are read by several threads.

    Raises:
        DataError: a mask cannot be read.
    """
    with ThreadPoolExecutor() as pool:
        rows = pool.map(lambda sample: np.bincount(sample.mask().ravel(), minlength=classes.count), samples)
        return np.array([row[: classes.count] for row in rows], np.int64).reshape(-1, classes.count)


def inverse(histogram: Histogram) -> Float[np.ndarray, "K"]:
    """1 / the number of a class's pixels, times what makes the mean over classes 1; 0 for a class without a pixel.

    >>> inverse(np.array([[60, 20], [0, 0]])).tolist()
    [0.5, 1.5]
    """
    return _to_mean_one(_reciprocal(histogram.sum(0)))


def median_frequency(histogram: Histogram) -> Float[np.ndarray, "K"]:
    """The median of all frequencies / the class's own: its share of the pixels of those images that hold it.

    Eigen & Fergus, arXiv:1411.4734, where they balance classes. One without a pixel weighs 0 and is not in the median.

    >>> median_frequency(np.array([[60, 20, 0], [0, 10, 10]])).round(3).tolist()
    [0.667, 1.667, 1.0]
    """
    beside = np.where(histogram > 0, histogram.sum(1, keepdims=True), 0).sum(0)
    frequency = histogram.sum(0) / np.maximum(beside, 1)
    present = frequency[frequency > 0]
    return _reciprocal(frequency) * (np.median(present) if present.size else 0.0)


def effective_number(histogram: Histogram) -> Float[np.ndarray, "K"]:
    """(1 − β) / (1 − β^n) with β = 0.9999, times what makes the mean over classes 1; 0 for a class without a pixel.

    Cui et al., arXiv:1901.05555, section 4. n counts samples, for which the *images* that hold a class are taken here,
    not its pixels: neighbouring pixels repeat each other, which is what the paper's effective number is about, and from
    a hundred thousand on all classes would weigh the same.

    >>> effective_number(np.array([[5, 1], [5, 0], [5, 0]])).round(3).tolist()
    [0.5, 1.5]
    """
    images = (histogram > 0).sum(0)
    return _to_mean_one(_reciprocal((1 - BETA**images) / (1 - BETA)))


CLASS_WEIGHTS: Mapping[str, Callable[[Histogram], Float[np.ndarray, "K"]]] = MappingProxyType(
    {"inverse": inverse, "median_frequency": median_frequency, "effective_number": effective_number}
)


def rarity(histogram: Histogram) -> Float[np.ndarray, "N"]:
    """How often each image should be seen by its rarest class: 1 / √(the share of images that hold that class).

    The repeat factor of Gupta et al. (LVIS), arXiv:1908.03195, with every class below its threshold. An image without a
    class counts like one of the commonest.

    >>> rarity(np.array([[9, 0], [9, 0], [9, 0], [9, 1]])).tolist()
    [1.0, 1.0, 1.0, 2.0]
    """
    holds = histogram > 0
    factors = np.sqrt(_reciprocal(holds.mean(0))) if len(histogram) else np.zeros(histogram.shape[1])
    least = factors[factors > 0].min(initial=np.inf)
    return np.maximum(np.where(holds, factors, 0).max(1, initial=0), least if np.isfinite(least) else 1.0)


def _reciprocal(numbers: Int[np.ndarray, "K"] | Float[np.ndarray, "K"]) -> Float[np.ndarray, "K"]:
    """1 / x, and 0 for 0."""
    return np.divide(1.0, numbers, out=np.zeros(numbers.shape), where=numbers > 0)


def _to_mean_one(weights: Float[np.ndarray, "K"]) -> Float[np.ndarray, "K"]:
    """The same weights with mean 1 over those above 0."""
    above = weights[weights > 0]
    return weights / above.mean() if above.size else weights
