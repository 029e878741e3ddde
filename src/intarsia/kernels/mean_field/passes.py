"""The iterations of mean field: sweeps and blurs by turns, each shared out among threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from intarsia.kernels.mean_field.blur import blur_grid, blur_lattice, collect, mix
from intarsia.kernels.mean_field.class_blocks import to_planes, to_rows
from intarsia.kernels.mean_field.lattice import blur_factor
from intarsia.kernels.mean_field.pair import blur_pair, collect_pair, sweep_pair, to_odds
from intarsia.kernels.mean_field.smoothness_grid import Line
from intarsia.kernels.mean_field.sweep import Fields, Pixels, Shape, sweep
from intarsia.kernels.permutohedral.image_lattice import ImageLattice
from intarsia.kernels.permutohedral.simplex_table import bring, leave

_WIDE, _NARROW, _UNIT = 16, 8, 32  # classes of a block, and bytes of the smaller one

Crew = Callable[[Callable[[int], None]], None]  # does a task in every thread


class Work(NamedTuple):
    """One call's arrays, kept for the next: T threads, R rows of the grid, C padded classes, or 1 for two."""

    rows: Float32[np.ndarray, "N C"]
    values: Float32[np.ndarray, "V C"]
    sums: list[Float32[np.ndarray, "V C"]]  # one a thread
    simplex_values: Float32[np.ndarray, "S 8"]  # of two classes; else there are none
    simplex_sums: list[Float32[np.ndarray, "S 16"]]
    grid: Float32[np.ndarray, "R L"]
    grid_sums: Float32[np.ndarray, "R L"]
    halos: Float32[np.ndarray, "T 2 L"]  # for the first two rows of a thread, to which the thread before adds as well
    lines: list[Float32[np.ndarray, "2 L"]]
    tiles: list[Float32[np.ndarray, "C 64"]]
    rooms: list[Float32[np.ndarray, "M"]]


@contextmanager
def crew(threads: int) -> Iterator[Crew]:
    """The caller's thread and as many more as are needed, until the end of the block."""
    if threads == 1:
        yield lambda task: task(0)
        return
    with ThreadPoolExecutor(threads - 1) as pool:

        def share(task: Callable[[int], None]) -> None:
            others = [pool.submit(task, thread) for thread in range(1, threads)]
            task(0)
            for other in others:
                other.result()

        yield share


class Passes:
    """One call: `parts` are the rows of each thread."""

    def __init__(
        self, work: Work, parts: list[tuple[int, int]], lattice: ImageLattice, across: Line, down: Line
    ) -> None:
        self._work, self._parts, self._lattice, self._across, self._down = work, parts, lattice, across, down
        self._lanes = work.rows.shape[1]
        # A call before may have had more classes.
        for zeroed in (*work.sums, *work.simplex_sums, work.grid_sums, work.halos, *work.tiles):
            zeroed[:] = 0
        several = self._lanes > 1 and lattice.corners  # rows of classes are sought by pixel, to ask for them ahead
        corners = np.take(lattice.simplices, lattice.which, axis=0, mode="clip") if several else lattice.simplices
        weights = np.pad(across.weights, ((0, 0), (0, _WIDE)))
        lines = (across.cells, weights, down.cells, down.weights)
        self._pixels = Pixels(work.rows, lattice.which, corners, lattice.weights, *lines)
        blocks = (self._lanes // _WIDE, self._lanes % _WIDE // _NARROW, lattice.corners)
        self._shape = Shape(*((0,) * count for count in blocks))
        self._addresses = [self._written(thread) for thread in range(len(parts))]

    def run(
        self,
        share: Crew,
        probabilities: Float32[np.ndarray, "K H W"],
        iterations: int,
        weight: float,
        compatibility: Float32[np.ndarray, "K K"] | None,
    ) -> Float32[np.ndarray, "K H W"]:
        """Probabilities in, probabilities out."""
        planes = probabilities.reshape(len(probabilities), -1)
        factor = weight * blur_factor(self._lattice.corners)
        share(lambda thread: self._read(thread, planes))
        share(lambda thread: self._sweep(thread, begins=True, ends=iterations == 0))
        for left in range(iterations - 1, -1, -1):
            self._join_halos()
            share(lambda thread: self._blur(thread, factor))
            self._clear_seams()
            if self._lanes == 1:
                share(self._bring)
            if compatibility is not None:
                matrix = self._matrix(compatibility)
                share(lambda thread: self._mix(thread, matrix))  # noqa: B023 - called at once
            share(lambda thread: self._sweep(thread, begins=False, ends=left == 0))  # noqa: B023
        result = np.empty(planes.shape, np.float32)
        share(lambda thread: self._write(thread, result))
        return result.reshape(probabilities.shape)

    def _range(self, thread: int) -> tuple[int, int]:
        width = len(self._across.cells)
        start, stop = self._parts[thread]
        return start * width, stop * width

    def _read(self, thread: int, planes: Float32[np.ndarray, "K N"]) -> None:
        if self._lanes == 1:
            to_odds(planes, self._work.rows, *self._range(thread))
        else:
            to_rows(planes, self._work.rows, self._work.tiles[thread], *self._range(thread))

    def _write(self, thread: int, planes: Float32[np.ndarray, "K N"]) -> None:
        start, stop = self._range(thread)
        if self._lanes == 1:
            planes[1, start:stop] = self._work.rows[start:stop, 0]
            planes[0, start:stop] = np.float32(1) - planes[1, start:stop]
        else:
            to_planes(self._work.rows, planes, self._work.tiles[thread], start, stop)

    def _written(self, thread: int) -> np.ndarray:
        """Where each row of the grid lies that a thread adds to."""
        rows = np.arange(len(self._work.grid_sums), dtype=np.int64) * self._work.grid_sums.strides[0]
        rows += self._work.grid_sums.ctypes.data
        if thread:
            first = self._down.cells[self._parts[thread][0]]
            rows[first] = self._work.halos[thread, 0].ctypes.data
            rows[first + 1] = self._work.halos[thread, 1].ctypes.data
        return rows

    def _join_halos(self) -> None:
        for thread in range(1, len(self._parts)):
            first = self._down.cells[self._parts[thread][0]]
            self._work.grid_sums[first : first + 2] += self._work.halos[thread]
            self._work.halos[thread] = 0

    def _sweep(self, thread: int, begins: bool, ends: bool) -> None:
        work, pair, corners = self._work, self._lanes == 1, self._shape.corners
        read_row, written_row = work.lines[thread]
        fields = Fields(
            work.simplex_values if pair else work.values,
            work.simplex_sums[thread] if pair else work.sums[thread],
            work.grid,
            self._addresses[thread],
            read_row,
            written_row,
            work.tiles[thread],
        )
        if pair:
            sweep_pair(self._pixels, fields, corners, *self._parts[thread], begins, ends)
            leave(work.simplex_sums[thread], self._lattice.simplices, corners, work.sums[thread])
        else:
            sweep(self._pixels, fields, self._shape, *self._parts[thread], begins, ends)

    def _bring(self, thread: int) -> None:
        table, threads = self._work.simplex_values, len(self._parts)
        first, last = (len(table) * t // threads for t in (thread, thread + 1))
        bring(self._work.values, self._lattice.simplices, table, first, last)

    def _blur(self, thread: int, factor: float) -> None:
        threads, values, pair = len(self._parts), self._work.values, self._lanes == 1
        units = -(-4 * self._lanes // _UNIT)
        begin, end = (_UNIT * (units * t // threads) for t in (thread, thread + 1))
        if begin < end:
            for place, sums in enumerate(self._work.sums):
                if pair:
                    collect_pair(values, sums, factor, place > 0)
                else:
                    collect(values, sums, begin, end, factor, place > 0)
            if pair:
                blur_pair(values, self._lattice.chains)
            else:
                blur_lattice(values, self._lattice.chains, begin, end)
        rows = len(self._work.grid)
        first, last = rows * thread // threads, rows * (thread + 1) // threads
        taps, room = (self._down.taps, self._across.taps), self._work.rooms[thread]
        blur_grid(self._work.grid_sums, self._work.grid, *taps, 4 * self._lanes, room, first, last)

    def _clear_seams(self) -> None:
        """Sums that a thread left for its neighbours, see `blur_grid`."""
        sums, reach, threads = self._work.grid_sums, len(self._down.taps) // 2, len(self._parts)
        for t in range(threads + 1):
            seam = len(sums) * t // threads
            sums[max(seam - 2 * reach, 0) : seam + reach] = 0

    def _matrix(self, compatibility: Float32[np.ndarray, "K K"]) -> Float32[np.ndarray, "C C"]:
        K = len(compatibility)
        result = np.zeros((self._lanes, self._lanes), np.float32)
        result[:K, :K] = -compatibility.T
        return result

    def _mix(self, thread: int, matrix: Float32[np.ndarray, "C C"]) -> None:
        threads, room = len(self._parts), self._work.tiles[thread]
        for field, cells in ((self._work.values, 1), (self._work.grid, self._across.length)):
            first, last = (len(field) * t // threads for t in (thread, thread + 1))
            mix(field, matrix, cells, room, first, last)
