"""Which image stands in which place of an epoch, where some are to be seen more often: a pure function of the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from intarsia.data import generator_for

STREAM = 1  # the last of the numbers that seed this choice, apart from those of views and of orders


@dataclass(frozen=True)
class Places:
    """An epoch has as many places as there are images, and each image as many of them as its share of all weights.

    The places are a comb of equal teeth over the sum of the weights, shifted by one random number an epoch: an image
    with w of W stands in N · w / W places, rounded up or down so that the mean over epochs is exact, where independent
    draws would leave out a third of all images in each epoch. With equal weights each image stands in its own place.

    >>> places = Places((1.0, 0.0, 2.0, 1.0), seed=0)
    >>> sorted(places.image(epoch=0, place=i) for i in range(4))
    [0, 2, 2, 3]
    """

    weights: Sequence[float]
    seed: int

    def image(self, epoch: int, place: int) -> int:
        """The image that stands in a place."""
        shift = generator_for(self.seed, epoch, 0, STREAM).random()
        tooth = min(place + shift, np.nextafter(place + 1, 0))  # a sum of both may be rounded up into the next place
        return int(np.searchsorted(self._ends, tooth, side="right"))

    @cached_property
    def _ends(self) -> Float[np.ndarray, "M"]:
        """Where each image's part of all places ends, but for the last that has any: nothing lies behind that."""
        summed = np.cumsum(self.weights)
        return (summed * (len(summed) / summed[-1]))[: np.flatnonzero(self.weights)[-1]]
