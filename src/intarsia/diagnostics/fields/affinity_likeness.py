"""Affinities that compare two pixels and nothing else: probabilities, the kernels of a dense CRF, features."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.levels import levels_of
from intarsia.errors import ArgumentError
from intarsia.shapes import Window

LEAST = 1e-4  # probabilities and their complements below it are taken for it, as the loss does

Vectors = Float[np.ndarray, "D ..."]  # along the first axis; the others of two arguments broadcast
Numbers = Float[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Likeness:
    """Vectors at the pixels, and how alike two of them are.

    Args:
        values: a vector a pixel.
        alike: from the vectors of the chosen pixels and those of the others to numbers up to 1.
        name: in a few words.
        meaning: of the numbers.
        reach: of the neighbours that edges are made of, in pixels: those at -reach, 0 and reach along both axes.
    """

    values: Float[np.ndarray, "D H W"]
    alike: Callable[[Vectors, Vectors], Numbers]
    name: str
    meaning: str
    reach: int = 1
    kind: Literal["likeness"] = field(default="likeness", init=False)

    @property
    def weakness(self) -> str:
        """Of the edges."""
        beside = "its neighbours" if self.reach == 1 else f"the pixels {self.reach} away from it"
        return f"How unlike {beside} a pixel is: one minus the mean likeness."

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[1], self.values.shape[2]

    def row(self, y: int, x: int) -> Float[np.ndarray, "H W"]:
        """Of one pixel with all."""
        return self.alike(self.values[:, y : y + 1, x : x + 1], self.values)

    def edges(self) -> Float[np.ndarray, "H W"]:
        """Over the neighbours inside the image, where a likeness below 0 counts as none; 0 where there is none."""
        total, count = np.zeros(self.size), np.zeros(self.size)
        for here, there in _pairs(self.size, self.reach):
            found = self.alike(self.values[:, *here], self.values[:, *there])
            total[here] += np.clip(found, 0, 1)
            count[here] += 1
        return np.where(count > 0, 1 - total / np.maximum(count, 1), 0.0)


def _pairs(size: tuple[int, int], reach: int) -> Iterator[tuple[Window, Window]]:
    """For each of eight neighbours the window of the pixels that have it, and where it lies."""
    for offsets in product((-reach, 0, reach), repeat=2):
        if any(offsets) and all(abs(step) < extent for step, extent in zip(offsets, size, strict=True)):
            (here, there), (across, beyond) = (
                (slice(max(0, -step), extent - max(0, step)), slice(max(0, step), extent - max(0, -step)))
                for step, extent in zip(offsets, size, strict=True)
            )
            yield (here, across), (there, beyond)


def of_probabilities(probabilities: Float[np.ndarray, "K H W"], reach: Literal[1, 2, 3]) -> Likeness:
    """See :meth:`AffinityField.of_probabilities`.

    >>> certain = np.array([[[1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])
    >>> of_probabilities(certain, 1).row(0, 0).round(3).tolist()
    [[1.0, 1.0, 0.0]]
    """
    both = np.stack([probabilities, 1 - probabilities]).astype(np.float64).clip(LEAST, 1)
    return Likeness(
        both.reshape(-1, *probabilities.shape[1:]),
        _of_distributions,
        "Probabilities",
        "How alike two pixels' answers are, exp(-KL) of the class about which they differ most: from 0 to 1; at 0.05 "
        "an adaptive affinity field asks pixels of different classes for no more.",
        reach,
    )


def _of_distributions(chosen: Vectors, others: Vectors) -> Numbers:
    classes = len(chosen) // 2
    terms = others * np.log(others / chosen)
    return np.exp(-np.maximum(terms[:classes] + terms[classes:], 0).max(0))  # clipped, the two need not sum to one


def of_crf(image: Shaped[np.ndarray, "H W *C"], settings: CRFSettings) -> Likeness:
    """See :meth:`AffinityField.of_crf`."""
    smooth, appear = settings.smoothness_weight, settings.appearance_weight
    if smooth + appear == 0:
        raise ArgumentError("`smoothness_weight` and `appearance_weight` are both 0, which ties nothing; raise one.")
    levels = levels_of(image).values.astype(np.float64)
    places = np.indices(levels.shape[:2], dtype=np.float64)
    values = np.concatenate(
        [
            places / settings.smoothness_sxy,
            places / settings.appearance_sxy,
            np.moveaxis(levels, 2, 0) / settings.appearance_srgb,
        ]
    )

    def alike(chosen: Vectors, others: Vectors) -> Numbers:
        squares = (others - chosen) ** 2
        near, same = np.exp(-squares[:2].sum(0) / 2), np.exp(-squares[2:].sum(0) / 2)
        return (smooth * near + appear * same) / (smooth + appear)

    return Likeness(
        values,
        alike,
        "CRF kernel",
        f"What a dense CRF ties two pixels with, from 0 to 1: {_share(appear, smooth)} for places within about "
        f"{settings.appearance_sxy:g} pixels and {settings.appearance_srgb:g} levels of colour, the rest for places "
        f"within {settings.smoothness_sxy:g} pixels.",
    )


def _share(part: float, rest: float) -> str:
    return f"{100 * part / (part + rest):.0f} %"


def of_features(features: Float[np.ndarray, "C H W"], name: str) -> Likeness:
    """See :meth:`AffinityField.of_features`."""
    exact = features.astype(np.float64)
    length = np.sqrt((exact**2).sum(0))
    return Likeness(
        exact / np.where(length > 0, length, 1),
        lambda chosen, others: (chosen * others).sum(0).clip(-1, 1),
        name,
        "The cosine of the angle between two pixels' features: 1 for the same direction, 0 for a right angle, down to "
        "-1.",
    )
