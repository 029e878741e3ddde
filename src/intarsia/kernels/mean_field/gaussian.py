"""A Gaussian along one axis of an array, tap by tap."""

import math

import numpy as np
from jaxtyping import Float, Float32

from intarsia.kernels.compiled import compiled

_REACH = 4  # standard deviations; what lies beyond weighs 6e-5 of the whole


def gaussian_taps(deviation: float, length: int) -> Float32[np.ndarray, "R"]:
    """exp(-½ (t / σ)²) for t = 0, 1, … as far as it weighs anything along an axis of this length.

    >>> gaussian_taps(2.0, 100).size, gaussian_taps(2.0, 5).size
    (9, 5)
    """
    reach = min(math.ceil(_REACH * deviation), max(length - 1, 0))
    return np.exp(-0.5 * np.square(np.arange(reach + 1) / deviation)).astype(np.float32)


@compiled
def add_along(
    values: Float[np.ndarray, "A n B"],
    taps: Float32[np.ndarray, " R"],
    before: Float[np.ndarray, " n"],
    after: Float[np.ndarray, " n"],
    result: Float[np.ndarray, "A n B"],
) -> None:
    """Add diag(after) G diag(before) v to `result`, where G_ij = taps[|i - j|]; beyond the ends there is nothing."""
    length, reach = values.shape[1], len(taps) - 1
    for a in range(len(values)):
        for i in range(length):
            target = result[a, i]
            for j in range(max(0, i - reach), min(length, i + reach + 1)):
                share, source = after[i] * taps[abs(i - j)] * before[j], values[a, j]
                for b in range(len(source)):
                    target[b] += share * source[b]
