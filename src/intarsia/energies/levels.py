"""An image as the energies read it: whole numbers of 8 bits, or float32 numbers of about that size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from intarsia.errors import ArgumentError

LEVELS = 255
_LEAST_RANGE, _LARGEST = LEVELS * np.finfo(np.float64).tiny, np.finfo(np.float64).max


@dataclass(frozen=True)
class Levels:
    """Samples of an image with ``image = black + step · values``.

    Attributes:
        values: (H, W, C), contiguous.
        black: what 0 stands for.
        step: what one level stands for, above 0.
    """

    values: UInt8[np.ndarray, "H W C"] | Float32[np.ndarray, "H W C"]
    black: float
    step: float

    @property
    def pixels(self) -> UInt8[np.ndarray, "N C"] | Float32[np.ndarray, "N C"]:
        """The same memory, row after row."""
        return self.values.reshape(-1, self.values.shape[2])


def levels_of(image: Shaped[np.ndarray, "H W *C"]) -> Levels:
    """Of an image with any strides; only uint8 images keep their memory.

    16-bit samples are divided by 256, which float32 holds exactly. Others are spread from the least to the largest over
    0 … 255, so that what follows does not depend on the unit they are given in.

    Raises:
        ArgumentError: the image has another number of axes, no pixel, complex samples, or one that is not finite; or
            the least and the largest are too near, or too far from each other, for float64.

    >>> levels_of(np.array([[-1.0, 3.0]])).values.ravel().tolist()
    [0.0, 255.0]
    """
    samples = _three_axes(np.asarray(image))
    if samples.dtype == np.uint8:
        return Levels(np.ascontiguousarray(samples), 0.0, 1.0)
    if samples.dtype == np.uint16:
        return Levels(np.ascontiguousarray(samples, np.float32) / np.float32(256), 0.0, 256.0)
    samples = samples.astype(np.float64)
    finite = np.isfinite(samples)
    if not finite.all():
        row, column, channel = (int(place) for place in np.argwhere(~finite)[0])
        value = samples[row, column, channel]
        raise ArgumentError(
            f"`image` is {value} at row {row}, column {column}, channel {channel}; samples must be finite: "
            "fill it in, or crop it away."
        )
    black, white = float(samples.min()), float(samples.max())
    if white > black and not _LEAST_RANGE <= white - black <= _LARGEST:
        raise ArgumentError(
            f"`image` goes from {black:g} to {white:g}, which float64 cannot divide into {LEVELS} levels: scale it."
        )
    step = (white - black) / LEVELS if white > black else 1.0
    return Levels(((samples - black) / step).astype(np.float32, order="C"), black, step)


def _three_axes(samples: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "H W C"]:
    if samples.ndim not in (2, 3) or samples.size == 0:
        raise ArgumentError(
            f"`image` has the shape {samples.shape}; it must be (H, W) or (H, W, C), and none of them 0."
        )
    if samples.dtype.kind not in "buif":
        raise ArgumentError(f"`image` holds {samples.dtype}; samples must be real numbers: convert it.")
    return samples[:, :, None] if samples.ndim == 2 else samples
