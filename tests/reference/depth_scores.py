"""Scores of depth maps, pixel by pixel, all pixels of a set in one list."""

import math
from collections.abc import Callable, Iterable

import numpy as np

THRESHOLDS = {"1.02": 1.02, "1.05": 1.05, "1.1": 1.1, "1.25": 1.25, "1.562": 1.25**2, "1.953": 1.25**3}


def depth_scores(pairs: Iterable[tuple[np.ndarray, np.ndarray]], within: Callable[[float], bool]) -> dict[str, float]:
    """Of (truth, prediction) maps, over the pixels whose truth is known and within some distances."""
    known = [
        (float(t), max(0.001, float(p)))
        for truth, prediction in pairs
        for t, p in zip(truth.ravel(), prediction.ravel(), strict=True)
        if t > 0 and within(float(t))
    ]
    count = len(known)
    scores = {
        "pixels": count,
        "rmse": math.sqrt(math.fsum((p - t) ** 2 for t, p in known) / count),
        "mae": math.fsum(abs(p - t) for t, p in known) / count,
        "rel": math.fsum(abs(p - t) / t for t, p in known) / count,
        "irmse": math.sqrt(math.fsum((1000 / p - 1000 / t) ** 2 for t, p in known) / count),
        "imae": math.fsum(abs(1000 / p - 1000 / t) for t, p in known) / count,
    }
    for name, threshold in THRESHOLDS.items():
        scores[f"delta {name}"] = sum(p < threshold * t and t < threshold * p for t, p in known) / count
    return scores
