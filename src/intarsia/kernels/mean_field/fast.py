"""Mean field of a dense CRF on images, where speed matters: which settings it serves, what it keeps, who does what.

An iteration is one sweep over the pixels, shared out by rows, and a blur of what the sweep summed, shared out by
classes and rows. Threads are Python's, and the kernels release its lock; no thread outlives a call, so that processes
may fork. Sums of floats depend on how rows were shared out, in their last digits.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from intarsia.kernels.mean_field.class_blocks import BLOCK
from intarsia.kernels.mean_field.lattice import normalise
from intarsia.kernels.mean_field.passes import Passes, Work, crew
from intarsia.kernels.mean_field.smoothness_grid import Line, line_of
from intarsia.kernels.memory import require_memory
from intarsia.kernels.permutohedral.image_lattice import LANES, ImageLattice, image_lattice
from intarsia.kernels.vectors.vector_type import aligned

Levels = UInt8[np.ndarray, "H W C"] | Float32[np.ndarray, "H W C"]

_LANES, _GRID_LANES = 8, 64  # rows of classes are padded to the one, rows of the grid to the other
_MOST_CHANNELS = 5  # seven dimensions with x and y


class Appearance(NamedTuple):
    """w exp(-½ |p_i - p_j|² / sxy² - ½ |I_i - I_j|² / srgb²), normalised."""

    weight: float
    sxy: float
    srgb: float


class Smoothness(NamedTuple):
    """w exp(-½ |p_i - p_j|² / sxy²), normalised."""

    weight: float
    sxy: float


def is_fast(size: tuple[int, ...], channels: int, normalisation: str) -> bool:
    """Whether `FastMeanField` serves it; all else, and a lattice whose keys overflow, is for the general lattice."""
    many_enough = len(size) == 2 and size[0] * size[1] >= BLOCK
    return many_enough and channels <= _MOST_CHANNELS and normalisation == "symmetric"


class FastMeanField:
    """Mean field on one image, again and again; one thread at a time may call it.

    Args:
        levels: (H, W, C), from 0 to 255; None for an image without appearance.
        size: (H, W).
        threads: How many to use.
    """

    def __init__(self, levels: Levels | None, size: tuple[int, int], threads: int = 1) -> None:
        self._levels, self._size = levels, size
        height, width = size
        count = max(1, min(threads, height // -(-BLOCK // width)))
        self._parts = [(height * t // count, height * (t + 1) // count) for t in range(count)]  # rows of each thread
        self._lattice: tuple[tuple[float, float], ImageLattice | None] | None = None
        self._work: tuple[tuple[int, ...], Work] | None = None

    def next_image(self, levels: Levels) -> None:
        """Of the same size; buffers are kept."""
        self._levels, self._lattice = levels, None

    def prepare(self, appearance: Appearance) -> bool:
        """Build the lattice unless it is that of the call before; False if its keys do not fit."""
        if self._levels is None or not appearance.weight:
            return True
        key = (appearance.sxy, appearance.srgb)
        if self._lattice is None or self._lattice[0] != key:
            self._lattice = None
            lattice = image_lattice(self._levels.reshape(-1, self._levels.shape[2]), self._size[1], *key)
            if lattice is not None:
                normalise(lattice)
            self._lattice = key, lattice
        return self._lattice[1] is not None

    def run(
        self,
        probabilities: Float32[np.ndarray, "K H W"],
        iterations: int,
        smoothness: Smoothness,
        appearance: Appearance,
        compatibility: Float32[np.ndarray, "K K"] | None = None,
    ) -> Float32[np.ndarray, "K H W"]:
        """After `prepare`; `probabilities` are contiguous, and clipped here."""
        lattice = self._lattice[1] if self._lattice and self._levels is not None and appearance.weight else None
        K, (height, width) = len(probabilities), self._size
        lanes = 1 if K == 2 and compatibility is None else -(-K // _LANES) * _LANES
        across, down = (line_of(length, smoothness.sxy) for length in (width, height))
        across = across._replace(taps=across.taps * np.float32(smoothness.weight))
        lattice = lattice or _without_appearance(height * width)
        passes = Passes(self._room(lanes, lattice, across, down), self._parts, lattice, across, down)
        with crew(len(self._parts)) as workers:
            return passes.run(workers, probabilities, iterations, appearance.weight, compatibility)

    def _room(self, lanes: int, lattice: ImageLattice, across: Line, down: Line) -> Work:
        corners, simplices = lattice.rows, len(lattice.simplices) if lanes == 1 else 0
        cells = across.length + (2 * BLOCK if lanes == 1 else 0)  # the last of a row's blocks goes beyond it
        length = -(-cells * lanes // _GRID_LANES) * _GRID_LANES
        key = (lanes, corners, simplices, length, down.length, len(across.taps))
        if self._work is None or self._work[0] != key:
            self._work, threads, pixels = None, len(self._parts), self._size[0] * self._size[1]
            floats = corners * lanes * (1 + threads) + 2 * down.length * length + pixels * (lanes + max(lanes, 2))
            floats += LANES * (pixels if lanes > 1 else simplices * (1 + 2 * threads))
            require_memory(4 * floats, f"A lattice of {corners:,} corners")  # with the answer
            lines = lanes if lanes > 1 else LANES + 1 + len(across.cells) // BLOCK  # room for a row of pixels
            work = Work(
                rows=aligned(pixels + (BLOCK if lanes == 1 else 0), lanes),
                values=aligned(corners, lanes),
                sums=[aligned(corners, lanes) for _ in range(threads)],
                simplex_values=aligned(simplices, LANES),
                simplex_sums=[aligned(simplices, 2 * LANES) for _ in range(threads)],
                grid=aligned(down.length, length),
                grid_sums=aligned(down.length, length),
                halos=aligned(threads, 2, length),
                lines=[aligned(2, length) for _ in range(threads)],
                tiles=[aligned(lines, BLOCK) for _ in range(threads)],
                rooms=[aligned(length + len(across.taps) * lanes + _GRID_LANES) for _ in range(threads)],
            )
            self._work = key, work
        return self._work[1]


def _without_appearance(pixels: int) -> ImageLattice:
    nowhere, simplices = np.zeros(pixels, np.int32), np.zeros((1, LANES), np.int32)
    return ImageLattice(nowhere, simplices, aligned(0, LANES), 0, np.zeros(0, np.int32), 1)
