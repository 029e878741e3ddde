"""The lattice of an image, normalised: what a pixel reads and writes is divided by the root of its row sum."""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place
from intarsia.kernels.mean_field_pair import blur_pair
from intarsia.kernels.permutohedral_build import ImageLattice
from intarsia.kernels.vector_type import aligned
from intarsia.kernels.vectors import address_of, read, read_index, write

_BLOCK = 512  # pixels
_TINY, _ONE = np.float32(1e-20), np.float32(1)


def blur_factor(corners: int) -> float:
    """1 / (1 + 2^-d): what slicing divides by, so that far from borders a sum stays what it was."""
    return 1 / (1 + 2.0 ** (1 - corners))


def normalise(lattice: ImageLattice) -> None:
    """Multiply the weights of each pixel i by 1 / √(Σ_j k_ij), in place."""
    sums = aligned(lattice.rows, 1)
    _count(lattice.corners, lattice.weights, sums)
    sums *= np.float32(blur_factor(len(lattice.corners)))
    blur_pair(sums, lattice.chains)
    _divide(lattice.corners, sums, lattice.weights, np.empty(_BLOCK, np.float32))


@in_place
def _count(
    corners: Int32[np.ndarray, "D N"], weights: Float32[np.ndarray, "D N"], sums: Float32[np.ndarray, "V 1"]
) -> None:
    rows, shares, target = address_of(corners), address_of(weights), address_of(sums)
    for start in range(0, 4 * corners.shape[1], 4 * _BLOCK):
        stop = min(start + 4 * _BLOCK, 4 * corners.shape[1])
        for r in range(len(corners)):
            line = 4 * r * corners.shape[1]
            for at in range(line + start, line + stop, 4):
                place = target + 4 * read_index(rows + at)
                write(place, read(place) + read(shares + at))


@in_place
def _divide(
    corners: Int32[np.ndarray, "D N"],
    sums: Float32[np.ndarray, "V 1"],
    weights: Float32[np.ndarray, "D N"],
    room: Float32[np.ndarray, " n"],
) -> None:
    rows, source = address_of(corners), address_of(sums)
    for start in range(0, corners.shape[1], _BLOCK):
        count = min(_BLOCK, corners.shape[1] - start)
        for i in range(count):
            room[i] = _TINY
        for r in range(len(corners)):
            line, share = rows + 4 * (r * corners.shape[1] + start), weights[r, start : start + count]
            for i in range(count):
                room[i] += share[i] * read(source + 4 * read_index(line + 4 * i))
        for i in range(count):
            room[i] = _ONE / np.sqrt(room[i])
        for r in range(len(corners)):
            share = weights[r, start : start + count]
            for i in range(count):
                share[i] *= room[i]
