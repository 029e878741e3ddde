"""How unevenly kernels and strides treat the pixels of a stride."""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor


def overlap(kernel: int, stride: int, dilation: int = 1) -> Int[Tensor, "s s"]:
    """How many taps of a transposed convolution meet in each of the s × s pixels that repeat, away from the border.

    The same holds backward for a convolution: so many windows see each pixel of its input. Without dilation, and
    with one that shares no factor with the stride, all are equal if and only if the stride divides the kernel (Odena et
    al., Distill 2016, doi:10.23915/distill.00003); with any other, taps fall on some pixels only.

    >>> overlap(3, 2), overlap(4, 2), overlap(4, 2, dilation=2)
    (tensor([[4, 2], [2, 1]]), tensor([[4, 4], [4, 4]]), tensor([[16,  0], [ 0,  0]]))
    """
    taps = torch.bincount(torch.arange(kernel) * dilation % stride, minlength=stride)
    return torch.outer(taps, taps)


def unevenness(sums: Float[Tensor, "C s s"] | Int[Tensor, "s s"]) -> float:
    """The share of a pattern that is not its mean: 0 for an even one, at most 1.

    The standard deviation over the s × s pixels divided by their root mean square, both taken over all channels.

    >>> unevenness(overlap(4, 2)), round(unevenness(overlap(3, 2)), 3)
    (0.0, 0.436)
    """
    exact = sums.to(torch.float64)
    whole = exact.square().mean()
    varied = (exact - exact.mean((-2, -1), keepdim=True)).square().mean()
    ratio = float(varied / whole) if whole > 0 else 0.0
    return ratio**0.5 if ratio > 1e-13 else 0.0  # the rest is rounding


def tap_sums(
    weight: Float[Tensor, "A B kh kw"], stride: int, dilation: int = 1, groups: int = 1
) -> Float64[Tensor, "C s s"]:
    """What a constant becomes: the sum of the taps that meet in each of the s × s pixels, over the constant's channels.

    ``weight`` is that of a transposed convolution (constant input), or of a convolution (constant gradient of its
    output): in both the first axis is summed, group by group.
    """
    folded = torch.zeros(*weight.shape[:2], stride, stride, dtype=torch.float64)
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            folded[:, :, i * dilation % stride, j * dilation % stride] += weight[:, :, i, j].detach().cpu().double()
    return folded.unflatten(0, (groups, -1)).sum(1).flatten(0, 1)
