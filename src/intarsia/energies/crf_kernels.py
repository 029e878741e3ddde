"""The kernels of a dense CRF: what positions tell each other, divided by its row sums."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from intarsia.energies.crf_inputs import Size
from intarsia.energies.crf_settings import MOST_WEIGHT, Normalisation
from intarsia.errors import ArgumentError
from intarsia.kernels.mean_field.gaussian import add_along, gaussian_taps
from intarsia.kernels.memory import free_memory, require_memory
from intarsia.kernels.permutohedral.general import Permutohedral

_TINY = np.float32(1e-20)


@dataclass(frozen=True, eq=False)
class FeatureKernel:
    """w · exp(-½ |f_i - f_j|²), beside smoothness and appearance.

    Attributes:
        features: f of each position, (*size, d), in standard deviations: already divided by σ.
        weight: w, from 0 to 1e6.

    Raises:
        ArgumentError: one breaks a rule.

    >>> depth = np.linspace(0, 9, 12).reshape(3, 4)
    >>> FeatureKernel(depth[..., None] / 0.5, weight=4.0).weight
    4.0
    """

    features: Float[np.ndarray, "*size d"]
    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= MOST_WEIGHT:
            raise ArgumentError(
                f"`weight` (={self.weight}) of a kernel must be from 0 to {MOST_WEIGHT:g}; 10 is usual."
            )
        if self.features.ndim < 2 or self.features.size == 0:
            raise ArgumentError(
                f"`features` (of shape {self.features.shape}) must be (*size, d), d numbers for each position; add an "
                "axis for d = 1."
            )


class GridKernel:
    """exp(-½ |p_i - p_j|² / σ²) of the positions of a grid: along one axis after the other, exact within 4 σ.

    Row sums are products of those along the axes, and so are what they are divided by.
    """

    def __init__(self, size: Size, sxy: float, normalisation: Normalisation) -> None:
        self._size = size
        self._axes = []
        for length in size:
            taps = gaussian_taps(sxy, length)
            ones, sums = np.ones(length, np.float32), np.zeros((1, length, 1), np.float32)
            add_along(ones[None, :, None], taps, ones, ones, sums)
            self._axes.append((taps, *_balance(sums.ravel(), normalisation)))

    def add(
        self, probabilities: Float32[np.ndarray, "N K"], weight: float, messages: Float32[np.ndarray, "N K"]
    ) -> None:
        """Add w K̃ Q to the messages."""
        values = probabilities
        for axis, (taps, before, after) in enumerate(self._axes):
            last = axis == len(self._axes) - 1
            result = messages if last else np.zeros_like(messages)
            shape = (int(np.prod(self._size[:axis])), self._size[axis], -1)
            share = after * np.float32(weight) if last else after
            add_along(values.reshape(shape), taps, before, share, result.reshape(shape))
            values = result


class LatticeKernel:
    """exp(-½ |f_i - f_j|²) of any features, on the permutohedral lattice."""

    def __init__(self, features: Float[np.ndarray, "N d"], classes: int) -> None:
        """For values of so many classes, which decide what there is room for."""
        points, dimensions = features.shape
        require_memory(points * 8 * (dimensions + 1), f"A lattice of {points:,} positions and {dimensions} features")
        free, each = free_memory(), 8 * classes + 8 * (dimensions + 1) + 16 * dimensions + 32  # the table at its growth
        self.lattice = Permutohedral(features) if free is None else Permutohedral(features, free // each)
        self._sums = self.lattice.filter(np.ones((len(features), 1), np.float32)).ravel()

    def add(
        self,
        probabilities: Float32[np.ndarray, "N K"],
        weight: float,
        normalisation: Normalisation,
        messages: Float32[np.ndarray, "N K"],
    ) -> None:
        """Add w K̃ Q to the messages."""
        before, after = _balance(self._sums, normalisation)
        self.lattice.add(probabilities, before, after * np.float32(weight), messages)


def _balance(
    sums: Float32[np.ndarray, " N"], normalisation: Normalisation
) -> tuple[Float32[np.ndarray, " N"], Float32[np.ndarray, " N"]]:
    """What a kernel is multiplied by on the side that sends and on the side that receives."""
    one = np.ones_like(sums)
    if normalisation == "none":
        return one, one
    if normalisation == "symmetric":
        root = 1 / np.sqrt(sums + _TINY)
        return root, root
    inverse = 1 / (sums + _TINY)
    return (inverse, one) if normalisation == "before" else (one, inverse)
