"""Which neighbours a pixel has in a diffusion, and how its weights and states lie in memory.

Lines lie row by row, and in a row one behind the other: weights neighbour by neighbour, states step by step. In front of
each are as many zeros as a vector has lanes, and above and below the map are rows of zeros, so that a neighbour beyond
the border may be read.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from intarsia.kernels.lanes import LINE

_CACHE = 1 << 19  # bytes of the lines that wait for a later step: half of a core's second cache


class Stencil(NamedTuple):
    """Which neighbours there are, and how lines lie.

    Weights of row y lie from (y + radius) · lines · stride on, `lines` of them: one a neighbour, then the pixel's own.
    States of row y lie from (y + radius) · slots · stride on: before the first step, after each, and what is added.
    """

    height: int
    width: int
    radius: int
    stride: int
    steps: int
    slots: int
    """As many states as are kept, and the line that is added: steps + 2, or 3 where states take turns."""
    taps: int
    """Lines of weights that a step reads: without the pixel's own, or with it."""
    lines: int
    down: Int64[np.ndarray, " lines"]
    right: Int64[np.ndarray, " lines"]
    to_state: Int64[np.ndarray, " lines"]
    """From a state to the neighbour's."""
    to_weight: Int64[np.ndarray, "2 lines"]
    """From a row's first weight to the one that a neighbour is multiplied by; and in the second row to the one by which
    the pixel itself is multiplied for the neighbour on the other side."""
    together: int
    """Steps that run through the rows at once."""


def stencil_of(
    height: int, width: int, kernel_size: int, steps: int, itemsize: int, *, shifted: bool, own: bool, kept: bool
) -> Stencil:
    """Neighbours in reading order, or from the last to the first if shifted; the pixel itself comes after them."""
    radius = kernel_size // 2
    around = range(-radius, radius + 1)
    sign = -1 if shifted else 1
    steps_to = [(sign * down, sign * right) for down in around for right in around if down or right] + [(0, 0)]
    stride = stride_of(width, itemsize)
    down, right = (np.array(list(part)) for part in zip(*steps_to, strict=True))
    slots, places = slots_of(steps, kept=kept), np.arange(len(steps_to)) * stride
    waiting = radius * (len(steps_to) + 3) * stride * itemsize
    return Stencil(
        height=height,
        width=width,
        radius=radius,
        stride=stride,
        steps=steps,
        slots=slots,
        taps=len(steps_to) - (0 if own else 1),
        lines=len(steps_to),
        down=down,
        right=right,
        to_state=down * slots * stride + right,
        to_weight=np.stack([places, places - down * len(steps_to) * stride - right]),
        together=max(1, min(steps, _CACHE // waiting)),
    )


def sizes_of(height: int, width: int, kernel_size: int, slots: int, itemsize: int) -> tuple[int, int]:
    """How many numbers the weights of a map take, and its states."""
    rows, stride, end = height + kernel_size - 1, stride_of(width, itemsize), LINE // itemsize
    return rows * kernel_size**2 * stride + end, rows * slots * stride + end


def stride_of(width: int, itemsize: int) -> int:
    """From line to line: an odd number of cache lines, so that no two lines begin at the same place of a cache."""
    lanes = LINE // itemsize
    whole = (width + lanes - 1) // lanes + 1
    return (whole + 1 - whole % 2) * lanes


def slots_of(steps: int, *, kept: bool) -> int:
    """Lines of states in a row."""
    return steps + 2 if kept else 3
