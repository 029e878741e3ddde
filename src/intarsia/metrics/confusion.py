"""The confusion matrix of two masks: the one count from which every score of the package follows."""

import numpy as np
from jaxtyping import Int64

from intarsia.errors import ArgumentError
from intarsia.shapes import IGNORE, Mask

_BLOCK_PIXELS = 1 << 20  # `np.bincount` widens its input to 64 bits; a block bounds that copy at 8 MB


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
    joint_counts = np.zeros(classes * classes, dtype=np.int64)
    rows = max(1, _BLOCK_PIXELS // max(1, truth.shape[1]))
    for top in range(0, truth.shape[0], rows):
        joint_counts += _count_block(truth[top : top + rows], prediction[top : top + rows], classes, ignore)
    return joint_counts.reshape(classes, classes)


def _count_block(truth: Mask, prediction: Mask, classes: int, ignore: int) -> Int64[np.ndarray, " J"]:
    """The counts of the joint indices true · K + predicted."""
    counted = (truth != ignore) & (prediction != ignore)
    true_classes, predicted_classes = truth[counted], prediction[counted]
    _check_values(true_classes, "truth", classes)
    _check_values(predicted_classes, "prediction", classes)
    joint = true_classes.astype(np.min_scalar_type(classes * classes))
    joint *= joint.dtype.type(classes)
    joint += predicted_classes.astype(joint.dtype)
    return np.bincount(joint, minlength=classes * classes)


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


def _check_values(values: np.ndarray, side: str, classes: int) -> None:
    largest = int(values.max(initial=0))
    if largest >= classes:
        raise ArgumentError(
            f"`{side}` holds the value {largest}, but with {classes} classes the largest index is {classes - 1}; "
            "raise `classes` or mark these pixels as ignored."
        )
