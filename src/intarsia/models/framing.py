"""From the image to what a network takes, and from what it gives back to the image: every system has one of these."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
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
        """The image's window of the logits; where a backbone dropped an image's last rows, the last logits again."""
        first = self.offset
        below, right = (max(0, first + own - has) for own, has in zip(size, logits.shape[-2:], strict=True))
        if below or right:
            logits = F.pad(logits, (0, right, 0, below), mode="replicate")
        return logits[..., first : first + size[0], first : first + size[1]]


@dataclass(frozen=True)
class Mirrored:
    """The image is mirrored at its borders, for a network that gives ``margin`` pixels less than it sees on each side.

    U-Net, arXiv:1505.04597, figure 2. On the right and below the mirror image goes on until the logits' sides leave the
    rest 4 when divided by ``multiple``, 16: then every map of U-Net that is pooled has even sides. The mirror lies in
    the middle of the outermost pixels; an image that is smaller than the margin is mirrored again and again.
    """

    margin: int
    multiple: int = 1
    align_corners: bool = False

    def extend(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
        """Mirror images on all sides."""
        rows, columns = (self._mirrored(size, images.device) for size in images.shape[-2:])
        return images.index_select(-2, rows).index_select(-1, columns)

    def fit(self, logits: Float[Tensor, "B K h w"], extended: Size, size: Size) -> Float[Tensor, "B K H W"]:
        """The logits of the image itself, which come first."""
        return logits[..., : size[0], : size[1]]

    def _mirrored(self, size: int, device: torch.device) -> Int[Tensor, " N"]:
        """Which row of the image each row of the extended one shows."""
        further = (self.multiple // 4 - size) % self.multiple
        places = torch.arange(-self.margin, size + further + self.margin, device=device)
        period = max(1, 2 * (size - 1))
        places = places % period
        return torch.minimum(places, period - places) if size > 1 else places * 0
