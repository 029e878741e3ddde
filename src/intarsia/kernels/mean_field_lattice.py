"""The lattice of an image with its normalisation: what a pixel reads and writes is divided by the root of its row sum."""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place
from intarsia.kernels.mean_field_blur import blur_lattice
from intarsia.kernels.permutohedral_build import ImageLattice
from intarsia.kernels.vectors import aligned

_TINY = np.float32(1e-20)
_LANES = 8  # the fewest that the blur knows; only one is used


def blur_factor(dimensions: int) -> float:
    """1 / (1 + 2^-d): what slicing divides by, so that far from borders a sum stays what it was."""
    return 1 / (1 + 2.0**-dimensions)


def normalise(lattice: ImageLattice) -> None:
    """Multiply the weights of each pixel i by 1 / √(Σ_j k_ij), in place."""
    first, second = aligned(lattice.rows, _LANES), aligned(lattice.rows, _LANES)
    _count(lattice.corners, lattice.weights, first)
    axes = len(lattice.neighbours)
    blur_lattice(first, second, lattice.neighbours, 0, 4 * _LANES, np.float32(blur_factor(axes - 1)))
    _divide(lattice.corners, second if axes % 2 else first, lattice.weights)


@in_place
def _count(
    corners: Int32[np.ndarray, "D N"], weights: Float32[np.ndarray, "D N"], sums: Float32[np.ndarray, "V 8"]
) -> None:
    for i in range(corners.shape[1]):
        for r in range(len(corners)):
            sums[np.uint32(corners[r, i]), 0] += weights[r, i]


@in_place
def _divide(
    corners: Int32[np.ndarray, "D N"], sums: Float32[np.ndarray, "V 8"], weights: Float32[np.ndarray, "D N"]
) -> None:
    for i in range(corners.shape[1]):
        row = _TINY
        for r in range(len(corners)):
            row += weights[r, i] * sums[np.uint32(corners[r, i]), 0]
        inverse = np.float32(1) / np.sqrt(row)
        for r in range(len(corners)):
            weights[r, i] *= inverse
