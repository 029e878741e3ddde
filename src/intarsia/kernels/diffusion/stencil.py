"""Which neighbours a pixel has in a diffusion, and how its weights and states lie in memory.

Weights lie row by row, in a row neighbour by neighbour and then the pixel's own. States lie row by row, in a row step
by step and then what each step adds; only so many rows as steps need at once, so that a row takes the place of one that
is done. Weights do so too, unless more channels need them. In front of each line are as many zeros as a vector has
lanes, and beside the map are rows of zeros, so that a neighbour beyond the border may be read.

A band of rows can be worked on alone: what a step needs beyond it is computed as well, one radius more for each step
that is still to come.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from intarsia.kernels.compiled import in_place
from intarsia.kernels.diffusion.shares import Share
from intarsia.kernels.vectors.vector_type import LINE

Map = Float[np.ndarray, "H W"]


class Stencil(NamedTuple):
    """Sizes and orders."""

    height: int
    width: int
    radius: int
    steps: int
    shifted: bool
    """Weights come from the last neighbour in reading order to the first."""
    own: bool
    """A step reads the pixel's own weight; otherwise that of its first state is in what a step adds."""
    stride: int
    """From line to line."""
    lines: int
    """Of weights in a row: the neighbours' and the pixel's own."""
    slots: int
    """Of states in a row: two that take turns, or one a step and the first; and what is added."""
    together: int
    """Rows of a step that are worked on one after another: the next finds the weights of most of them near."""
    rows: int
    """Of states."""
    weight_rows: int
    """Of weights."""
    gradient_rows: int
    """Of their gradient: one, or as many as there are of weights."""
    begin: int
    """Of the band of rows that is wanted."""
    end: int


def stencil_of(
    maps: Float[np.ndarray, "B C H W"], share: Share, kernel_size: int, steps: int, *, shifted: bool, own: bool,
    kept: bool,
) -> Stencil:  # fmt: skip
    """For a share of maps. Lines are an odd number of cache lines: no two begin at the same place of a cache."""
    height, width = maps.shape[2:]
    lanes, radius, (_, _, first, last, begin, end) = LINE // maps.itemsize, kernel_size // 2, share
    whole = (width + lanes - 1) // lanes + 1
    reach = steps * radius
    every = min(height, end + reach) - max(0, begin - reach) + 2 * radius
    together = 3 * radius
    rows, single = min(every, reach + radius + together), last - first == 1
    return Stencil(
        height=height,
        width=width,
        radius=radius,
        steps=steps,
        shifted=shifted,
        own=own,
        stride=(whole + 1 - whole % 2) * lanes,
        lines=kernel_size**2,
        slots=steps + 2 if kept else 3,
        together=together,
        rows=rows,
        weight_rows=rows if single else every,
        gradient_rows=1 if single else every,
        begin=begin,
        end=end,
    )


def sizes_of(stencil: Stencil, itemsize: int) -> tuple[int, int, int]:
    """How many numbers weights take, states, and gradients of weights."""
    row, zeros = stencil.lines * stencil.stride, LINE // itemsize
    states = stencil.rows * stencil.slots * stencil.stride
    return stencil.weight_rows * row + zeros, states + zeros, stencil.gradient_rows * row + zeros


@in_place
def weights_at(stencil: Stencil, row: int) -> int:
    """Where a row's first line of weights begins."""
    return (row + stencil.radius) % stencil.weight_rows * stencil.lines * stencil.stride


@in_place
def gradients_at(stencil: Stencil, row: int) -> int:
    """Where the gradient of a row's first line of weights begins."""
    return row % stencil.gradient_rows * stencil.lines * stencil.stride


@in_place
def states_at(stencil: Stencil, row: int) -> int:
    """Where a row's first state begins."""
    return (row + stencil.radius) % stencil.rows * stencil.slots * stencil.stride


@in_place
def first_row(stencil: Stencil, step: int) -> int:
    """From which row on a step is computed; step -1 is the first state."""
    return max(0, stencil.begin - (stencil.steps - 1 - step) * stencil.radius)


@in_place
def last_row(stencil: Stencil, step: int) -> int:
    """Before which row a step ends."""
    return min(stencil.height, stencil.end + (stencil.steps - 1 - step) * stencil.radius)


@in_place
def order(stencil: Stencil) -> tuple[int, int]:
    """From a row's first line to the weight of the first neighbour in reading order, and from each to the next."""
    last = (stencil.lines - 2) * stencil.stride
    return (last, -stencil.stride) if stencil.shifted else (0, stencil.stride)
