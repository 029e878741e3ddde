"""Cross-entropy that costs more where two things nearly touch: the weight map of U-Net."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor

from intarsia.losses.pixels import check_weights, class_logits, mean_by, pixel_weights, total_weight
from intarsia.shapes import IGNORE

BACKGROUND = 0
NEGLIGIBLE = 1e-6  # of the largest border weight: pixels farther away are not looked at


def border_weights(
    mask: Int[np.ndarray, "H W"], *, weight: float = 10.0, sigma: float = 5.0, ignore: int = IGNORE
) -> Float[np.ndarray, "H W"]:
    """How much each background pixel between two things counts more than others: w0 · exp(−(d1 + d2)² / 2σ²).

    U-Net, arXiv:1505.04597, equation 2, with w0 = ``weight`` and σ = ``sigma`` pixels; d1 and d2 are the Euclidean
    distances, in pixels, to the nearest and the second nearest thing. A thing is a connected component (8 neighbours)
    of a class other than 0, the background. The paper weighs cells drawn apart from each other; here the weight lies
    on the background alone, as in its figure 3d: inside a thing there is no border to learn.

    >>> mask = np.array([[1, 0, 1, 0, 0, 0, 0, 0]])
    >>> border_weights(mask)[0].round(2).tolist()
    [0.0, 9.23, 0.0, 7.26, 4.87, 2.78, 1.35, 0.56]
    """
    nearest = np.full((2, *mask.shape), np.inf)
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(NEGLIGIBLE)))
    for name in np.setdiff1d(mask, [BACKGROUND, ignore]):
        things = np.empty(mask.shape, np.int32)
        ndimage.label(mask == name, structure=np.ones((3, 3)), output=things)
        for number, (rows, columns) in enumerate(ndimage.find_objects(things), start=1):
            window = _grown(rows, reach), _grown(columns, reach)
            distance = np.asarray(ndimage.distance_transform_edt(things[window] != number))
            first, second = nearest[0][window], nearest[1][window]
            np.minimum(second, np.maximum(first, distance), out=second)
            np.minimum(first, distance, out=first)
    return np.where(mask == BACKGROUND, weight * np.exp(-(nearest.sum(0) ** 2) / (2 * sigma**2)), 0.0)


def _grown(span: slice, reach: int) -> slice:
    return slice(max(0, span.start - reach), span.stop + reach)


def border_weighted_cross_entropy(
    logits: Float[Tensor, "B K H W"],
    target: Int[Tensor, "B H W"],
    ignore: int = IGNORE,
    *,
    class_weights: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, ""]:
    """The sum of (w_c + border weight) · cross-entropy over all valid pixels, divided by the sum of their w_c.

    U-Net, arXiv:1505.04597, equations 1 and 2. w_c is the weight of the true class, by default 1: classes are not
    balanced, and the divisor is the number of valid pixels. The paper sums where we take the mean, so that learning
    rates mean the same as with :func:`~intarsia.losses.cross_entropy`. Border weights are computed from the masks as
    they are trained on, on the CPU.

    Raises:
        ArgumentError: the weights are not one a class.

    >>> border_weighted_cross_entropy(torch.zeros(1, 2, 1, 3), torch.tensor([[[1, 0, 1]]])).item()
    2.8259...
    """
    scores = class_logits(logits)
    check_weights(class_weights, scores.shape[1])
    borders = torch.from_numpy(np.stack([border_weights(mask, ignore=ignore) for mask in target.cpu().numpy()]))
    weights = pixel_weights(target, ignore, class_weights, scores.dtype)
    weights = torch.where(target != ignore, weights + borders.to(scores), 0)
    total = (F.cross_entropy(scores, target, ignore_index=ignore, reduction="none") * weights).sum()
    return mean_by(total, total_weight(target, ignore, class_weights))
