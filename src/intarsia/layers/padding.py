"""Padding that may differ from side to side, and TensorFlow's SAME policy that makes it so."""

from typing import NamedTuple


class Sides(NamedTuple):
    """Pixels added on each side of a map, in the order that ``torch.nn.functional.pad`` takes them."""

    left: int
    right: int
    top: int
    bottom: int

    @property
    def symmetric(self) -> bool:
        """Whether a convolution's own ``padding`` can carry it out."""
        return self.left == self.right and self.top == self.bottom and min(self) >= 0


def same_padding(kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Before and after, for a map whose size divides by the stride: the odd pixel goes behind.

    >>> same_padding(3, 2), same_padding(5, 2), same_padding(3, 1)
    ((0, 1), (1, 2), (1, 1))
    """
    total = max(dilation * (kernel - 1) + 1 - stride, 0)
    return total // 2, total - total // 2
