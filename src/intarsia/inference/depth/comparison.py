"""The scores of several methods side by side."""

import math
from collections.abc import Mapping

from intarsia.metrics.depth import PROTOCOL, DepthScores

_UNITS = {"rmse": "RMSE, m", "mae": "MAE, m", "rel": "REL", "irmse": "iRMSE, 1/km", "imae": "iMAE, 1/km"}
_LONG = 1e5  # inverse depths where a network says that something touches the camera


def comparison(scores: Mapping[str, DepthScores]) -> str:
    """A line for each score and a column for each method; RMSE by distance below, and how all was counted.

    >>> from intarsia.metrics.depth import depth_errors
    >>> import numpy as np
    >>> one = DepthScores(depth_errors(np.array([[2.0, 4.0]]), np.array([[2.0, 5.0]])))
    >>> for line in comparison({"network": one, "linear": one}).splitlines()[1:3]:
    ...     print(line)
    RMSE, m           0.7071  0.7071
    MAE, m            0.5000  0.5000
    """
    first = next(iter(scores.values()))
    rows = [(title, [getattr(own, name) for own in scores.values()]) for name, title in _UNITS.items()]
    rows += [(f"δ{threshold}", [own.delta[threshold] for own in scores.values()]) for threshold in first.delta]
    rows += [
        (f"RMSE at {distance}", [own.by_distance[distance].rmse for own in scores.values()])
        for distance in first.by_distance
    ]
    table = [("", list(scores)), *((title, [_cell(value) for value in values]) for title, values in rows)]
    width = max(len(title) for title, _ in table)
    widths = [max(len(cells[i]) for _, cells in table) for i in range(len(scores))]
    lines = [
        f"{title:<{width}}" + "".join(f"  {cell:>{own}}" for cell, own in zip(cells, widths, strict=True))
        for title, cells in table
    ]
    return "\n".join([*lines, f"{first.pixels:,} pixel{'' if first.pixels == 1 else 's'}. {PROTOCOL}"])


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}" if value < _LONG else f"{value:,.0f}"
