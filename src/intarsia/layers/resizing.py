"""Bringing maps to a size, and images to a multiple of a stride."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resize(
    x: Float[Tensor, "B C H W"], size: tuple[int, int] | torch.Size, align_corners: bool = False
) -> Float[Tensor, "B C H2 W2"]:
    """Bilinear interpolation to ``size`` (rows, columns).

    ``align_corners=True`` puts the first and last samples on the first and last pixels, as Caffe, TensorFlow's DeepLab
    and semseg do; ``False`` aligns the pixels' outer edges.
    """
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, (size[0], size[1]), mode="bilinear", align_corners=align_corners)


def pad_to_multiple(images: Float[Tensor, "B C H W"], multiple: int) -> Float[Tensor, "B C H2 W2"]:
    """Add zeros on the right and below until both sizes divide by ``multiple``.

    >>> pad_to_multiple(torch.ones(1, 3, 113, 97), 32).shape
    torch.Size([1, 3, 128, 128])
    """
    below, right = -images.shape[-2] % multiple, -images.shape[-1] % multiple
    return F.pad(images, (0, right, 0, below)) if below or right else images
