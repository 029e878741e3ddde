"""How a batch's diffusion is shared out between threads."""

from itertools import pairwise
from typing import NamedTuple


class Share(NamedTuple):
    """Rows of some channels of one map."""

    b: int
    group: int
    """Which of the groups of channels: each adds up a gradient of its own."""
    first: int
    """Of the channels."""
    last: int
    begin: int
    """Of the rows."""
    end: int


def shares_of(shape: tuple[int, ...], reach: int, threads: int) -> list[Share]:
    """As many as there are threads, or a few more: maps of a batch, groups of channels, and then bands of rows.

    What a band needs of the rows beside it, as many as `reach`, is computed twice: no band is smaller than that.

    >>> [share[4:] for share in shares_of((1, 1, 228), reach=24, threads=2)]
    [(0, 114), (114, 228)]
    """
    batch, channels, height = shape
    groups = min(channels, -(-threads // batch))
    bands = max(1, min(-(-threads // (batch * groups)), height // reach))
    columns = [channels * group // groups for group in range(groups + 1)]
    rows = [height * band // bands for band in range(bands + 1)]
    return [
        Share(b, group, *some, *band)
        for b in range(batch)
        for group, some in enumerate(pairwise(columns))
        for band in pairwise(rows)
    ]
