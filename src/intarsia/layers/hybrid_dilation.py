"""Which dilation rates leave no holes: the published rule, and the count that the rule misses."""

from collections.abc import Sequence

from intarsia.errors import ArgumentError


def hdc_maximum_distance(rates: Sequence[int]) -> int:
    """M₂, the largest distance between two taps that the layers after the first leave open.

    Hybrid dilated convolution, arXiv:1702.08502, section 3.2, equation 2: M_n = r_n and
    M_i = max(M_{i+1} − 2 r_i, 2 r_i − M_{i+1}, r_i). The paper asks for M₂ ≤ K, the kernel's size. The rule
    accepts (2, 2, 2), whose taps fall on every second pixel: the paper excludes rates with a common factor by word
    only, and :func:`coverage` counts it. The distance of one rate is the rate.

    Raises:
        ArgumentError: no rates, or one below 1.

    >>> [hdc_maximum_distance(rates) for rates in ((1, 2, 5), (1, 2, 9), (2, 2, 2))]
    [2, 5, 2]
    """
    checked = checked_rates(rates)
    distance = checked[-1]
    for rate in reversed(checked[1:-1]):
        distance = max(distance - 2 * rate, 2 * rate - distance, rate)
    return distance


def coverage(rates: Sequence[int], kernel: int = 3) -> tuple[int, int]:
    """How many pixels along one axis the stacked convolutions see, and over what extent: equal without holes.

    Figure 2 of arXiv:1702.08502 shows the holes of (2, 2, 2), "gridding". The extent is 1 + (kernel − 1) Σ rates.

    Raises:
        ArgumentError: no rates, one below 1, or a kernel below 1.

    >>> coverage((2, 2, 2)), coverage((1, 2, 5))
    ((7, 13), (17, 17))
    """
    if kernel < 1:
        raise ArgumentError(f"`kernel` (={kernel}) must be at least 1; convolutions here mostly have 3.")
    seen = {0}
    for rate in checked_rates(rates):
        seen = {place + tap * rate for place in seen for tap in range(kernel)}
    return len(seen), max(seen) + 1


def checked_rates(rates: Sequence[int]) -> tuple[int, ...]:
    """The dilation rates, which must be one or more positive whole numbers."""
    if not rates or min(rates) < 1:
        raise ArgumentError(f"`rates` (={tuple(rates)}) must be one or more numbers from 1 on, such as (6, 12, 18).")
    return tuple(rates)
