"""Which neighbours a pixel has in a diffusion, and how its weights and states lie in memory.

Weights lie row by row, in a row neighbour by neighbour and then the pixel's own. States lie row by row, in a row step
by step and then what each step adds; only so many rows as steps need at once, so that a row takes the place of one that
is done. In front of each line are as many zeros as a vector has lanes, and beside the map are rows of zeros, so that a
neighbour beyond the border may be read.
"""

from typing import NamedTuple

from intarsia.kernels.compiled import in_place
from intarsia.kernels.vectors.vector_type import LINE


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
    rows: int
    """Of states."""


def stencil_of(
    height: int, width: int, kernel_size: int, steps: int, itemsize: int, *, shifted: bool, own: bool, kept: bool
) -> Stencil:
    """Lines are an odd number of cache lines, so that no two begin at the same place of a cache."""
    lanes, radius = LINE // itemsize, kernel_size // 2
    whole = (width + lanes - 1) // lanes + 1
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
        rows=min(height + 2 * radius, (steps + 1) * radius + 2),
    )


def sizes_of(stencil: Stencil, itemsize: int) -> tuple[int, int]:
    """How many numbers the weights of a map take, and the states."""
    weights = (stencil.height + 2 * stencil.radius) * stencil.lines * stencil.stride
    return weights + LINE // itemsize, stencil.rows * stencil.slots * stencil.stride + LINE // itemsize


@in_place
def weights_at(stencil: Stencil, row: int) -> int:
    """Where a row's first line of weights begins."""
    return (row + stencil.radius) * stencil.lines * stencil.stride


@in_place
def states_at(stencil: Stencil, row: int) -> int:
    """Where a row's first state begins."""
    return (row + stencil.radius) % stencil.rows * stencil.slots * stencil.stride


@in_place
def order(stencil: Stencil) -> tuple[int, int]:
    """From a row's first line to the weight of the first neighbour in reading order, and from each to the next."""
    last = (stencil.lines - 2) * stencil.stride
    return (last, -stencil.stride) if stencil.shifted else (0, stencil.stride)
