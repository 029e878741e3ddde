"""Dense depths from measured ones without learning: what a network has to beat."""

import numpy as np
from jaxtyping import Float64, Int

from intarsia.data.depth.files import Depth
from intarsia.errors import ArgumentError
from intarsia.shapes import Picture

Places = Int[np.ndarray, "M 2"]


def nearest_fill(measured: Depth) -> Depth:
    """Each pixel takes the depth of the measured pixel that is nearest to it.

    Raises:
        ArgumentError: nothing was measured.

    >>> nearest_fill(np.array([[0, 2, 0, 0, 0, 5]], np.float32))
    array([[2., 2., 2., 2., 5., 5.]], dtype=float32)
    """
    from scipy import ndimage

    _places(measured)
    rows, columns = np.asarray(
        ndimage.distance_transform_edt(measured == 0, return_distances=False, return_indices=True)
    )
    return measured[rows, columns]


def linear_fill(measured: Depth) -> Depth:
    """Linear in each triangle of the Delaunay triangulation of the measured pixels; outside of all, the nearest.

    Raises:
        ArgumentError: nothing was measured.

    >>> linear_fill(np.array([[1, 0, 3], [0, 0, 0], [3, 0, 0]], np.float32))[:2, :2]
    array([[1., 2.],
           [2., 3.]], dtype=float32)
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    filled, places = nearest_fill(measured), _places(measured)
    try:
        surface = LinearNDInterpolator(places, measured[tuple(places.T)].astype(np.float64))
    except (QhullError, ValueError):  # fewer than three, or all on one line: there is no triangle
        return filled
    linear = surface(*np.indices(measured.shape))
    known = measured > 0
    return np.where(known, measured, np.where(np.isnan(linear), filled, linear)).astype(np.float32)


def bilateral_fill(measured: Depth, image: Picture, *, neighbours: int = 12, srgb: float = 12.0) -> Depth:
    """Each pixel takes the mean of the nearest measured ones, weighted by how near they are and how alike in colour.

    Joint bilateral upsampling, Kopf et al., SIGGRAPH 2007, doi:10.1145/1276377.1276497, section 3, for measurements
    anywhere instead of on a grid. The weight is exp(−|p − q|² / 2s² − |c_p − c_q|² / 2 `srgb`²), with colours in levels
    of 255 and s half the distance to the farthest of the `neighbours`, so that few measurements reach farther.

    Raises:
        ArgumentError: nothing was measured, or the image has another size.
    """
    from scipy.spatial import KDTree

    if image.shape[:2] != measured.shape:
        raise ArgumentError(
            f"The image (={image.shape[:2]}) and the measurements (={measured.shape}) must have the same rows and "
            "columns."
        )
    places = _places(measured)
    pixels = np.indices(measured.shape).reshape(2, -1).T
    ranks = list(range(1, min(neighbours, len(places)) + 1))
    distance, nearest = KDTree(places).query(pixels, k=ranks)  # pyright: ignore[reportArgumentType]  (its stubs lack lists)
    colours = image.reshape(-1, image.shape[2]).astype(np.float64)
    own = colours[np.ravel_multi_index(tuple(places.T), measured.shape)]
    apart = ((colours[:, None] - own[nearest]) ** 2).sum(-1)
    spread = np.maximum(distance[:, -1:] / 2, 0.5)
    weights = _softmax(-(distance**2) / (2 * spread**2) - apart / (2 * srgb**2))
    values = measured[tuple(places.T)].astype(np.float64)[nearest]
    filled = (weights * values).sum(1).reshape(measured.shape)
    return np.where(measured > 0, measured, filled).astype(np.float32)


def _softmax(exponents: Float64[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """Weights that sum to one, even where all of them are tiny."""
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _places(measured: Depth) -> Places:
    places = np.argwhere(measured > 0)
    if not len(places):
        raise ArgumentError(
            "`measured` holds no depth at all, only zeros, from which nothing can be filled: measure some."
        )
    return places
