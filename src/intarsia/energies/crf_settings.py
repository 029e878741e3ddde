"""What the dense CRF can be told: plain numbers, as a run stores them."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from intarsia.errors import ArgumentError

MOST_WEIGHT = 1e6  # of a kernel or penalty: sums over an image of products of both are far from the end of float32
_LEAST_SIGMA, _MOST_SIGMA = 1e-3, 1e300  # the one ties nothing, the other everything alike

Normalisation = Literal["symmetric", "before", "after", "none"]


@dataclass(frozen=True)
class CRFSettings:
    """The parameters of `dense_crf`.

    Attributes:
        iterations: Of mean field; none gives the probabilities back, clipped.
        smoothness_weight: w of the kernel that knows positions alone, from 0 to 1e6.
        smoothness_sxy: Its σ in pixels, from 0.001 to 1e300; so are the other σs.
        appearance_weight: w of the kernel that knows positions and colours, from 0 to 1e6.
        appearance_sxy: Its σ in pixels.
        appearance_srgb: Its σ in levels of an image that goes from 0 to 255.
        normalisation: How each kernel is divided by its row sums n: n^-½ on both sides, 1 / n on the side that sends
            ("before") or receives ("after"), or not at all.
        compatibility: μ, the penalty of class l (row) where others are l′ (column), rows of numbers from -1e6 to 1e6;
            None is Potts: 0 for equal classes, 1 for others.

    Raises:
        ArgumentError: One breaks a rule.

    >>> CRFSettings(appearance_srgb=5).smoothness_sxy
    3.0
    """

    iterations: int = 10
    smoothness_weight: float = 3.0
    smoothness_sxy: float = 3.0
    appearance_weight: float = 10.0
    appearance_sxy: float = 80.0
    appearance_srgb: float = 13.0
    normalisation: Normalisation = "symmetric"
    compatibility: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.iterations, Integral) or self.iterations < 0:
            raise ArgumentError(f"`iterations` (={self.iterations}) must be a whole number from 0 on; 10 are usual.")
        for name, usual in (("smoothness_weight", 3), ("appearance_weight", 10)):
            value = getattr(self, name)
            if not 0 <= value <= MOST_WEIGHT:
                raise ArgumentError(
                    f"`{name}` (={value}) must be from 0 to {MOST_WEIGHT:g}; {usual} is usual, 0 leaves it out."
                )
        for name, usual in (("smoothness_sxy", 3), ("appearance_sxy", 80), ("appearance_srgb", 13)):
            value = getattr(self, name)
            if not _LEAST_SIGMA <= value <= _MOST_SIGMA:
                raise ArgumentError(
                    f"`{name}` (={value}) must be from {_LEAST_SIGMA:g} to {_MOST_SIGMA:g}; {usual} is usual, and "
                    "a weight of 0 leaves a kernel out."
                )
        if self.normalisation not in get_args(Normalisation):
            raise ArgumentError(
                f"`normalisation` (={self.normalisation!r}) must be 'symmetric', 'before', 'after' or 'none'."
            )
        if self.compatibility is not None:
            _check_compatibility(self.compatibility)


def compatibility_of(
    matrix: Float[np.ndarray, "K K"] | Sequence[Sequence[float]] | None,
) -> tuple[tuple[float, ...], ...] | None:
    """A matrix as `CRFSettings` keeps it.

    >>> compatibility_of(np.eye(2))
    ((1.0, 0.0), (0.0, 1.0))
    """
    return None if matrix is None else tuple(tuple(float(penalty) for penalty in row) for row in matrix)


def _check_compatibility(rows: tuple[tuple[float, ...], ...]) -> None:
    if any(len(row) != len(rows) for row in rows):
        raise ArgumentError(
            f"`compatibility` (with rows of {sorted({len(row) for row in rows})}) must be square: {len(rows)} "
            f"penalties in each of the {len(rows)} rows."
        )
    for first, row in enumerate(rows):
        for second, penalty in enumerate(row):
            if not abs(penalty) <= MOST_WEIGHT:
                raise ArgumentError(
                    f"`compatibility` is {penalty} for class {first} beside class {second}; penalties must be from "
                    f"{-MOST_WEIGHT:g} to {MOST_WEIGHT:g}: 100 forbids as well."
                )
