"""A backbone's maps: as they are, in the colours of their principal components, and what a stride keeps of a mask."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from intarsia.layers import resize
from intarsia.models import SegmentationNetwork
from intarsia.shapes import Mask


def stage_maps(net: SegmentationNetwork, image: Float[Tensor, "1 C H W"]) -> list[Float[np.ndarray, "_ _ _"]]:
    """The maps of the backbone's stages (C, h, w), finest first; their strides are in ``net.backbone.spec``."""
    with torch.no_grad():
        return [stage[0].float().cpu().numpy() for stage in net.backbone(net.frame.extend(image))]


def principal_components(
    features: Float[np.ndarray, "C h w"], count: int = 3
) -> tuple[Float64[np.ndarray, "n h w"], Float64[np.ndarray, "n"]]:
    """The directions in which the positions of a map differ most, as maps, and each one's share of the variance.

    The sign of a component is that which makes its largest value positive. Where a map has fewer directions than
    ``count``, the rest is zero.

    >>> ramp = np.arange(6.0).reshape(1, 2, 3)
    >>> components, shares = principal_components(np.concatenate([ramp, -2 * ramp]))
    >>> shares.round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    channels, rows, columns = features.shape
    centred = features.reshape(channels, -1).astype(np.float64)
    centred -= centred.mean(1, keepdims=True)
    wide = channels <= rows * columns
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    largest = np.argsort(-values)[:count]
    variances = values[largest].clip(0)
    components = vectors[:, largest].T @ centred if wide else np.sqrt(variances)[:, None] * vectors[:, largest].T
    signs = np.sign(np.take_along_axis(components, np.abs(components).argmax(1, keepdims=True), 1))
    total = values.clip(0).sum()
    missing = count - len(largest)
    shares = np.pad(variances / total if total > 0 else np.zeros_like(variances), (0, missing))
    return np.pad(components * signs, ((0, missing), (0, 0))).reshape(count, rows, columns), shares


def kept(mask: Mask, stride: int, classes: int) -> Mask:
    """What is left of a mask on a grid of this stride: each cell's shares of the classes, resized, the largest wins.

    The cells are those of the picture extended by its last row and column. Pixels that are no class count for none, and
    stay what they are.
    """
    rows, columns = mask.shape
    member = torch.from_numpy(np.eye(classes + 1, dtype=np.float32)[np.minimum(mask, classes)][..., :classes])
    extended = F.pad(member.permute(2, 0, 1)[None], (0, -columns % stride, 0, -rows % stride), mode="replicate")
    cells = F.avg_pool2d(extended, stride)
    labels = resize(cells, extended.shape[-2:])[0, :, :rows, :columns].argmax(0).numpy()
    return np.where(mask < classes, labels, mask).astype(mask.dtype)
