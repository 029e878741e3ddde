"""The search for the CRF's settings: which are tried, and when it ends."""

from collections.abc import Callable, Sequence
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
