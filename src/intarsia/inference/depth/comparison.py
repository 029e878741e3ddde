"""The scores of several methods side by side."""

import math
from collections.abc import Mapping

from intarsia.metrics.depth import PROTOCOL, DepthScores

_UNITS = {"rmse": "RMSE, m", "mae": "MAE, m", "rel": "REL", "irmse": "iRMSE, 1/km", "imae": "iMAE, 1/km"}


def comparison(scores: Mapping[str, DepthScores]) -> str:
    """A line for each score and a column for each method; RMSE by distance below, and how all was counted.

    >>> from intarsia.metrics.depth import depth_errors
    >>> import numpy as np
    >>> one = DepthScores(depth_errors(np.array([[2.0, 4.0]]), np.array([[2.0, 5.0]])))
    >>> print("\\n".join(comparison({"network": one, "linear": one}).splitlines()[:3]))
                      network  linear
    RMSE, m            0.7071  0.7071
    MAE, m             0.5000  0.5000
    """
    first = next(iter(scores.values()))
    rows = [(title, [getattr(own, name) for own in scores.values()]) for name, title in _UNITS.items()]
    rows += [(f"δ{threshold}", [own.delta[threshold] for own in scores.values()]) for threshold in first.delta]
    rows += [
        (f"RMSE at {distance}", [own.by_distance[distance].rmse for own in scores.values()])
        for distance in first.by_distance
    ]
    width = max(len(title) for title, _ in rows) + 1
    lines = [" " * width + "".join(f"  {name:>{_width(name)}}" for name in scores)]
    lines += [f"{title:<{width}}" + _cells(scores, values) for title, values in rows]
    return "\n".join([*lines, f"{first.pixels:,} pixels. {PROTOCOL}"])


def _cells(scores: Mapping[str, DepthScores], values: list[float]) -> str:
    texts = ("-" if math.isnan(value) else f"{value:.4f}" for value in values)
    return "".join(f"  {text:>{_width(name)}}" for name, text in zip(scores, texts, strict=True))


def _width(name: str) -> int:
    return max(len(name), 6)
