"""A per-pixel linear classifier on intensity and gradient features: the yardstick that a network must beat.

Fitting is *draw pixels → standardise their features → minimise the logistic loss → fold the standardisation in*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy import ndimage, optimize

from intarsia.data.pictures import as_rgb
from intarsia.errors import ArgumentError, DataError
from intarsia.shapes import IGNORE, IGNORE_UINT16, Mask, RGBImage

SCALES = (1.0, 2.0, 4.0)  # standard deviations in pixels of the Gaussians under the derivatives
FEATURES = 3 + 3 * len(SCALES)
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601 luma
_MOST_IMAGES = 256  # enough for 40 000 pixels; a set of a million images need not be read to the end
_DECAY = 1e-4  # keeps the weights of a class that was never drawn finite
_ITERATIONS = 100  # more of them change the mean IoU by less than 0.001


@runtime_checkable
class LabelledImage(Protocol):
    """A picture and its mask, read when they are asked for."""

    def image(self) -> RGBImage:
        """The picture."""
        ...

    def mask(self) -> Mask:
        """The class index of each pixel; 255 (65535 in ``uint16``) is ignored."""
        ...


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """A linear classifier of pixels: logits = features · weights + bias."""

    weights: Float64[np.ndarray, "F K"]
    bias: Float64[np.ndarray, " K"]

    def predict(self, image: RGBImage) -> Mask:
        """The most probable class of each pixel of an image of any size (``uint16`` above 254 classes)."""
        height, width, _ = image.shape
        logits_NK = pixel_features(image) @ self.weights.astype(np.float32) + self.bias.astype(np.float32)
        dtype = np.uint8 if self.bias.size <= 254 else np.uint16
        return logits_NK.argmax(axis=1).reshape(height, width).astype(dtype)


def fit_linear_baseline(
    samples: Sequence[LabelledImage], classes: int, pixels: int = 40_000, seed: int = 0
) -> LinearBaseline:
    """Fit multinomial logistic regression on random pixels, with the class frequencies as they are.

    Every image (at most 256, drawn at random) contributes the same number of pixels, drawn without replacement from
    its labelled ones. The loss is the mean cross-entropy plus a small weight decay, minimised by at most 100 iterations
    of L-BFGS in float64.

    Args:
        samples: objects with ``.image()`` and ``.mask()``.
        classes: K, the number of classes.
        pixels: how many pixels to draw in all.
        seed: of the draw; the same seed gives the same classifier.

    Raises:
        ArgumentError: if ``classes`` or ``pixels`` is less than 1.
        DataError: if there is no labelled pixel, or if a mask holds a value >= K.

    Example:
        >>> class Halves:
        ...     def image(self):
        ...         return np.repeat(np.array([[[20, 20, 20], [200, 200, 200]]], dtype=np.uint8), 8, axis=1)
        ...     def mask(self):
        ...         return np.repeat(np.array([[0, 1]], dtype=np.uint8), 8, axis=1)
        >>> baseline = fit_linear_baseline([Halves()], classes=2)
        >>> baseline.predict(Halves().image())
        array([[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]], dtype=uint8)
    """
    if classes < 1 or pixels < 1:
        raise ArgumentError(f"`classes` (={classes}) and `pixels` (={pixels}) must be at least 1.")
    features_NF, labels_N = _draw_pixels(samples, classes, pixels, np.random.default_rng(seed))
    centre_F, spread_F = features_NF.mean(axis=0), features_NF.std(axis=0)
    spread_F[spread_F < 1e-6] = 1.0  # a feature that never varies (the images may be grey or flat) says nothing
    inputs_NG = np.column_stack([(features_NF - centre_F) / spread_F, np.ones(len(labels_N))])
    result = optimize.minimize(
        lambda weights: logistic_loss(weights, inputs_NG, labels_N, classes),
        np.zeros(inputs_NG.shape[1] * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS},
    )
    weights_GK = result.x.reshape(-1, classes)
    weights_FK = weights_GK[:-1] / spread_F[:, None]
    return LinearBaseline(weights_FK, weights_GK[-1] - centre_F @ weights_FK)


def pixel_features(image: RGBImage) -> Float32[np.ndarray, "N F"]:
    """R, G, B in [0, 1] of each pixel, and per scale ∂x, ∂y and gradient magnitude of the smoothed intensity."""
    colours = image.astype(np.float32) / 255
    intensity = colours @ _GREY
    planes = [colours[..., 0], colours[..., 1], colours[..., 2]]
    for scale in SCALES:
        smooth = ndimage.gaussian_filter(intensity, scale, mode="nearest")
        across = ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], axis=1, mode="nearest")
        down = ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], axis=0, mode="nearest")
        planes += [across, down, np.hypot(across, down)]
    return np.stack([plane.ravel() for plane in planes], axis=1)


def logistic_loss(
    weights: Float64[np.ndarray, " GK"],
    inputs_NG: Float64[np.ndarray, "N G"],
    labels_N: Int64[np.ndarray, " N"],
    classes: int,
) -> tuple[float, Float64[np.ndarray, " GK"]]:
    """Mean cross-entropy of softmax(inputs · weights) plus ½ decay · |weights|², and the gradient by the weights."""
    weights_GK = weights.reshape(-1, classes)
    logits_NK = inputs_NG @ weights_GK
    logits_NK -= logits_NK.max(axis=1, keepdims=True)
    everyone = np.arange(len(labels_N))
    own_logits_N = logits_NK[everyone, labels_N]
    probabilities_NK = np.exp(logits_NK)
    totals_N = probabilities_NK.sum(axis=1)
    loss = float(np.mean(np.log(totals_N) - own_logits_N)) + 0.5 * _DECAY * float(weights @ weights)
    probabilities_NK /= totals_N[:, None]
    probabilities_NK[everyone, labels_N] -= 1.0
    gradient_GK = inputs_NG.T @ probabilities_NK / len(labels_N) + _DECAY * weights_GK
    return loss, gradient_GK.ravel()


def _draw_pixels(
    samples: Sequence[LabelledImage], classes: int, pixels: int, generator: np.random.Generator
) -> tuple[Float64[np.ndarray, "N F"], Int64[np.ndarray, " N"]]:
    chosen = generator.permutation(len(samples))[: min(pixels, _MOST_IMAGES)]
    features, labels = [np.empty((0, FEATURES), dtype=np.float32)], [np.empty(0, dtype=np.uint8)]
    for index in chosen:
        mask = samples[index].mask().ravel()
        labelled = np.flatnonzero(mask != (IGNORE if mask.dtype == np.uint8 else IGNORE_UINT16))
        drawn = generator.choice(labelled, size=min(pixels // len(chosen), labelled.size), replace=False)
        features.append(pixel_features(as_rgb(samples[index].image()))[drawn])
        labels.append(mask[drawn])
    labels_N = np.concatenate(labels).astype(np.int64)
    if labels_N.size == 0:
        raise DataError(
            f"None of the {len(samples)} images has a labelled pixel to fit the linear baseline on; label at least one."
        )
    if labels_N.max() >= classes:
        raise DataError(
            f"A mask holds the value {labels_N.max()}, but with {classes} classes the largest index is {classes - 1}; "
            "add the class or mark these pixels as 255."
        )
    return np.concatenate(features).astype(np.float64), labels_N
