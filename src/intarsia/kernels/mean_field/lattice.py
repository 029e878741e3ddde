"""The lattice of an image, normalised: what a pixel reads and writes is divided by the root of its row sum."""

import numpy as np
from jaxtyping import Float32, Int32

from intarsia.kernels.compiled import in_place
from intarsia.kernels.mean_field.pair import blur_pair
from intarsia.kernels.permutohedral.image_lattice import ImageLattice
from intarsia.kernels.permutohedral.simplex_table import BLOCK, ROW, bring, give, leave, take
from intarsia.kernels.vectors.arithmetic import address_of, load, multiply, read, splat, store, write, zeros8
from intarsia.kernels.vectors.vector_type import aligned

_TINY, _ONE = np.float32(1e-20), np.float32(1)


def blur_factor(corners: int) -> float:
    """1 / (1 + 2^-d): what slicing divides by, so that far from borders a sum stays what it was."""
    return 1 / (1 + 2.0 ** (1 - corners))


def normalise(lattice: ImageLattice) -> None:
    """Multiply the weights of each pixel i by 1 / √(Σ_j k_ij), in place."""
    table, sums = aligned(len(lattice.simplices), 16), aligned(lattice.rows, 1)
    room = aligned(BLOCK, ROW // 4)
    room[:] = 1
    _count(lattice.which, lattice.weights, table, room)
    leave(table, lattice.simplices, (0,) * lattice.corners, sums)
    sums *= np.float32(blur_factor(lattice.corners))
    blur_pair(sums, lattice.chains)
    values = table.reshape(-1, ROW // 4)[: len(table)]
    bring(sums, lattice.simplices, values, 0, len(values))
    _divide(lattice.which, values, lattice.weights, room)


@in_place
def _count(
    which: Int32[np.ndarray, "N"],
    weights: Float32[np.ndarray, "N 8"],
    table: Float32[np.ndarray, "S 16"],
    ones: Float32[np.ndarray, "16 8"],
) -> None:
    places, shares, target = address_of(which), address_of(weights), address_of(table)
    for i in range(0, len(which), BLOCK):
        give(places + 4 * i, shares + ROW * i, target, address_of(ones), min(BLOCK, len(which) - i))


@in_place
def _divide(
    which: Int32[np.ndarray, "N"],
    table: Float32[np.ndarray, "S 8"],
    weights: Float32[np.ndarray, "N 8"],
    room: Float32[np.ndarray, "16 8"],
) -> None:
    places, shares, source, products = address_of(which), address_of(weights), address_of(table), address_of(room)
    for first in range(0, len(which), BLOCK):
        count, share = min(BLOCK, len(which) - first), shares + ROW * first
        store(products, take(places + 4 * first, share, source, products, count))
        for at in range(products, products + 4 * BLOCK, 4):
            write(at, _ONE / np.sqrt(max(read(at), _TINY)))
        for i in range(count):
            factor = splat(read(products + 4 * i), zeros8())
            store(share + ROW * i, multiply(factor, load(share + ROW * i, factor)))
