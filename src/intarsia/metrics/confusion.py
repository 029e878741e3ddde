"""The confusion matrix of two masks: the one count from which every score of the package follows."""

import numpy as np
from jaxtyping import Int64

from intarsia.errors import ArgumentError
from intarsia.kernels.confusion import count_pairs
from intarsia.shapes import IGNORE, Mask


def confusion_matrix(truth: Mask, prediction: Mask, classes: int, ignore: int = IGNORE) -> Int64[np.ndarray, "K K"]:
    """Count the pixels of each pair (true class, predicted class).

    A pixel is counted unless either mask holds ``ignore`` there. Matrices of several images of a set add up to the
    matrix of the set; scores of a set come from that sum and never from a mean of the images' scores.

    Args:
        truth: the true class index of each pixel.
        prediction: the predicted class index of each pixel, of the same shape.
        classes: K, the number of classes; indices run from 0 to K - 1.
        ignore: the index that is no class; 65535 for ``uint16`` masks.

    Returns:
        The number of pixels with true class *row* and predicted class *column*.

    Raises:
        ArgumentError: if K < 1, if ``ignore`` is one of the K classes, if a mask is not ``(H, W)`` of ``uint8`` or
            ``uint16``, if the shapes differ, or if a counted pixel holds a value >= K.

    Example:
        >>> truth = np.array([[0, 0, 1, 255]], dtype=np.uint8)
        >>> prediction = np.array([[0, 1, 1, 1]], dtype=np.uint8)
        >>> confusion_matrix(truth, prediction, classes=2)
        array([[1, 1],
               [0, 1]])
    """
    _check_arguments(truth, prediction, classes, ignore)
    matrix, stray = count_pairs(truth, prediction, classes, ignore)
    if stray is not None:
        raise ArgumentError(
            f"`{stray.side}` holds the value {stray.value}, but with {classes} classes the largest index is "
            f"{classes - 1}; raise `classes` or mark these pixels as ignored."
        )
    return matrix


def _check_arguments(truth: Mask, prediction: Mask, classes: int, ignore: int) -> None:
    if classes < 1:
        raise ArgumentError(f"`classes` (={classes}) must be at least 1.")
    if 0 <= ignore < classes:
        raise ArgumentError(
            f"`ignore` (={ignore}) must not be one of the {classes} classes; "
            "uint16 masks ignore 65535: pass `ignore=65535`."
        )
    for side, mask in (("truth", truth), ("prediction", prediction)):
        if mask.ndim != 2 or mask.dtype not in (np.uint8, np.uint16):
            raise ArgumentError(
                f"`{side}` (shape {mask.shape}, {mask.dtype}) must be an (H, W) mask of uint8 or uint16: "
                "take the argmax over classes and convert with `.astype(np.uint8)`."
            )
    if truth.shape != prediction.shape:
        raise ArgumentError(
            f"`truth` {truth.shape} and `prediction` {prediction.shape} must have one shape; "
            "resize the prediction to the truth."
        )
