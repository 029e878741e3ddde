"""How much of each pixel along an outline is object: soft edges for a cut-out."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from intarsia.energies.levels import LEVELS, Levels, levels_of

_ROWS = 512  # worked on at once, so that memory does not grow with the image


def matte(
    image: Shaped[np.ndarray, "H W *C"], foreground: Bool[np.ndarray, "H W"], radius: int = 3, epsilon: float = 1e-3
) -> Float32[np.ndarray, "H W"]:
    """The share of the object in each pixel, which is other than 0 and 1 only within `radius` pixels of the outline.

    The guided filter of He, Sun and Tang (TPAMI 2013, eqs. 14 to 16) with the image as guide: in each window of
    2 · radius + 1 pixels the share is taken for a linear function of the colours, samples being scaled to 0 … 1 and
    `epsilon` holding back what is steep. Where this differs: it is computed along the outline only.

    >>> image = np.zeros((9, 9), np.uint8)
    >>> image[:, 4:] = 255
    >>> matte(image, image > 0).round(1)[0].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    levels = levels_of(image)
    result = foreground.astype(np.float32)
    height, halo = len(result), 2 * radius
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        first, last = max(0, top - halo), min(height, bottom + halo)
        part = _strip(levels, foreground, slice(first, last), radius, epsilon)
        if part is not None:
            result[top:bottom] = part[top - first : bottom - first]
    return result


def _strip(
    levels: Levels, foreground: Bool[np.ndarray, "H W"], rows: slice, radius: int, epsilon: float
) -> Float32[np.ndarray, "h W"] | None:
    """Some rows and all columns that the outline comes near to; None where there is no outline."""
    shares = foreground[rows].astype(np.float64)
    mean = _means(shares, radius)
    band = (mean > 1e-9) & (mean < 1 - 1e-9)
    if not band.any():
        return None
    used = np.flatnonzero(band.any(axis=0))
    columns = slice(max(0, int(used[0]) - 2 * radius), int(used[-1]) + 2 * radius + 1)
    guide = levels.values[rows, columns].astype(np.float64) / LEVELS
    near = _means(band[:, columns].astype(np.float64), radius) > 1e-9
    slopes, offsets = _linear(guide, shares[:, columns], near, radius, epsilon)
    smooth = (_means(slopes, radius) * guide).sum(axis=2) + _means(offsets, radius)
    result = foreground[rows].astype(np.float32)
    result[:, columns] = np.where(band[:, columns], smooth.clip(0, 1), shares[:, columns])
    return result


def _linear(
    guide: Float[np.ndarray, "h w C"],
    shares: Float[np.ndarray, "h w"],
    near: Bool[np.ndarray, "h w"],
    radius: int,
    epsilon: float,
) -> tuple[Float[np.ndarray, "h w C"], Float[np.ndarray, "h w"]]:
    """In the windows around the pixels that are `near`: the slopes and offset that come closest to the shares."""
    channels = guide.shape[2]
    means, mean = _means(guide, radius), _means(shares, radius)
    covariances = _means(guide[..., :, None] * guide[..., None, :], radius)[near]
    covariances -= means[near][:, :, None] * means[near][:, None, :]
    joint = (_means(guide * shares[..., None], radius) - means * mean[..., None])[near]
    slopes, offsets = np.zeros_like(guide), mean.copy()
    slopes[near] = np.linalg.solve(covariances + epsilon * np.eye(channels), joint[..., None])[..., 0]
    offsets[near] -= (slopes[near] * means[near]).sum(axis=1)
    return slopes, offsets


def _means(values: Float[np.ndarray, "h w *rest"], radius: int) -> Float[np.ndarray, "h w *rest"]:
    """Over the windows around each pixel, as far as they lie within."""
    for axis in (0, 1):
        length = values.shape[axis]
        sums = np.zeros((length + 1, *np.moveaxis(values, axis, 0).shape[1:]))
        np.cumsum(np.moveaxis(values, axis, 0), axis=0, out=sums[1:])
        low = np.maximum(np.arange(length) - radius, 0)
        high = np.minimum(np.arange(length) + radius + 1, length)
        counts = (high - low).reshape(-1, *[1] * (values.ndim - 1))
        values = np.moveaxis((sums[high] - sums[low]) / counts, 0, axis)
    return values
