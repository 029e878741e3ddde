"""The search for the CRF's settings: which are tried, and when it ends."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError
from intarsia.runs.refinement import make_settings


class Range(NamedTuple):
    """Where a setting is looked for, and how far from its start first, in powers of two."""

    low: float
    high: float
    step: float


RANGES = {
    "smoothness_weight": Range(0.1, 30, -1),
    "smoothness_sxy": Range(0.5, 20, -1),  # pixels
    "appearance_weight": Range(0.1, 50, -1),
    "appearance_sxy": Range(4, 200, -1),  # pixels
    "appearance_srgb": Range(2, 80, 1),  # levels
}
FEWEST = len(RANGES) + 2  # a simplex, and one step


@dataclass(frozen=True)
class Trial:
    """Settings, and what they reached."""

    settings: CRFSettings
    score: float


def search(
    score: Callable[[CRFSettings], float],
    start: CRFSettings,
    evaluations: int,
    watch: Callable[[int, float], None] = lambda count, score: None,
) -> list[Trial]:
    """Settings that were tried, the first ones at the start; at most ``evaluations``.

    Weights and standard deviations move on a logarithmic scale, by the simplex of Nelder and Mead with steps that adapt
    to the number of parameters (Gao and Han 2012). Scores of masks are steps, without slopes at hand; they are seldom
    worth more than some dozens of evaluations; and a good start is known. That is what a simplex is for.

    Args:
        score: to be as large as possible.
        start: the first; iterations, normalisation and compatibility stay.
        evaluations: how many at most.
        watch: told the number of those done, and the score of the last.

    Raises:
        ArgumentError: ``evaluations`` is too small for a step in each direction.
    """
    from scipy.optimize import Bounds, minimize

    check_evaluations(evaluations)
    low, high = np.log2([[kind.low, kind.high] for kind in RANGES.values()]).T
    first = np.clip(np.log2([max(getattr(start, name), RANGES[name].low) for name in RANGES]), low, high)
    trials: list[Trial] = []

    def loss(place: Float64[np.ndarray, " n"]) -> float:
        if len(trials) == evaluations:  # an iteration that was begun would go a little further
            return np.inf
        settings = make_settings(asdict(start) | dict(zip(RANGES, np.exp2(place).round(4).tolist(), strict=True)))
        trials.append(Trial(settings, score(settings)))
        watch(len(trials), trials[-1].score)
        return -trials[-1].score

    minimize(
        loss,
        first,
        method="Nelder-Mead",
        bounds=Bounds(low, high),  # pyright: ignore[reportArgumentType]
        options={
            "initial_simplex": _simplex(first, low, high),
            "adaptive": True,
            "maxfev": evaluations,
            "xatol": 0.02,  # of a power of two: less changes nothing
            "fatol": 0.0,
        },
    )
    return trials


def _simplex(
    first: Float64[np.ndarray, " n"], low: Float64[np.ndarray, " n"], high: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "_ n"]:
    """The start, and one step away from it along each axis, turned back where that would leave the ranges."""
    steps = np.array([kind.step for kind in RANGES.values()])
    steps = np.where((first + steps < low) | (first + steps > high), -steps, steps)
    return np.vstack([first, first + np.diag(steps)])


def check_evaluations(evaluations: int) -> None:
    """Before anything takes long.

    Raises:
        ArgumentError: there are too few for a step in each direction.
    """
    if evaluations < FEWEST:
        raise ArgumentError(f"`evaluations` (={evaluations}) must be at least {FEWEST}; 60 are usual.")
