"""From the image to what a network takes, and from what it gives back to the image: every system has one of these."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.layers.resizing import pad_to_multiple, resize

Size = tuple[int, int] | torch.Size


@runtime_checkable
class Frame(Protocol):
    """How images are extended before the network, and logits are fitted to the image behind it.

    ``multiple`` is the number of pixels that an extended image's sides are multiples of; ``align_corners`` tells where
    the samples of the logits lie (:func:`intarsia.layers.resizing.resize`).
    """

    @property
    def multiple(self) -> int: ...  # noqa: D102

    @property
    def align_corners(self) -> bool: ...  # noqa: D102

    def extend(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]: ...  # noqa: D102

    def fit(self, logits: Float[Tensor, "B K h w"], extended: Size, size: Size) -> Float[Tensor, "B K H W"]:
        """Logits at ``size``, for an image that was ``extended`` to a larger one."""
        ...


@dataclass(frozen=True)
class Resized:
    """Logits are resized to the image.

    Where skips need maps that double exactly, images get zeros on the right and below up to a ``multiple``, and the
    logits are cropped.
    """

    align_corners: bool = False
    multiple: int = 1

    def extend(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Zeros up to the multiple."""
        return pad_to_multiple(images, self.multiple)

    def fit(self, logits: Float[Tensor, "B K h w"], extended: Size, size: Size) -> Float[Tensor, "B K H W"]:
        """Interpolate, then crop."""
        return resize(logits, (extended[0], extended[1]), self.align_corners)[..., : size[0], : size[1]]


@dataclass(frozen=True)
class Cropped:
    """The network gives a logit a pixel, beginning ``offset`` pixels above and left of the image, which is cut out."""

    offset: int = 0
    multiple: int = 1
    align_corners: bool = False

    def extend(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Zeros up to the multiple."""
        return pad_to_multiple(images, self.multiple)

    def fit(self, logits: Float[Tensor, "B K h w"], extended: Size, size: Size) -> Float[Tensor, "B K H W"]:
        """The image's window of the logits."""
        first = self.offset
        return logits[..., first : first + size[0], first : first + size[1]]
