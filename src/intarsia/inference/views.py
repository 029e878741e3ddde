"""Test-time augmentation: the same image at several scales and mirrored, and the mean of the answers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.layers.resizing import resize

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # DeepLab v2, v3 and PSPNet
SMALLEST, LARGEST = 0.1, 4.0

Answer = Callable[[UInt8[Tensor, "H W C"]], Float[Tensor, "K H W"]]
"""From a picture to float32 logits, on the CPU."""


@dataclass(frozen=True)
class Views:
    """Which views of an image are averaged: each of ``scales``, and with ``mirrored`` its mirror image, too.

    Of every view the logits are resized to the image, and their softmax (of one logit the sigmoid) is taken; the mean
    over all views with equal weights is the answer. DeepLab v3, arXiv:1706.05587, section 4.1, and PSPNet,
    arXiv:1612.01105, section 5.1. Images are resized bilinearly, with antialiasing where they shrink, as in training.

    Raises:
        ArgumentError: no scale, or one outside 0.1 … 4.

    >>> Views((0.5, 1.0), mirrored=False).protocol
    'Mean of the softmax probabilities at the scales 0.5 and 1.'
    """

    scales: tuple[float, ...] = SCALES
    mirrored: bool = True

    def __post_init__(self) -> None:
        if not self.scales:
            raise ArgumentError("`scales` (=()) must hold at least one scale; 1.0 is the image's own size.")
        for scale in self.scales:
            if not SMALLEST <= scale <= LARGEST:  # nan fails, too
                raise ArgumentError(f"`scales` holds {scale:g}, but a scale must lie between {SMALLEST} and {LARGEST}.")

    @property
    def protocol(self) -> str:
        """What is averaged, in one sentence; it is printed beside the scores."""
        *first, last = (f"{scale:g}" for scale in self.scales)
        listed = f"the scales {', '.join(first)} and {last}" if first else f"scale {last}"
        both = ", each also mirrored left to right" if self.mirrored else ""
        return f"Mean of the softmax probabilities at {listed}{both}."

    def predict(self, predict: Answer, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "K H W"]:
        """Log-probabilities: their softmax (or sigmoid) is the mean of the views' probabilities."""
        total: Tensor | None = None
        for scale in self.scales:
            view = scaled(image, scale)
            for turned in (view, view.flip(1)) if self.mirrored else (view,):
                logits = predict(turned)
                logits = logits if turned is view else logits.flip(2)
                share = _probabilities(resize(logits[None], image.shape[:2])[0])
                total = share if total is None else total.add_(share)
        assert total is not None
        return _logits(total / (len(self.scales) * (1 + self.mirrored)))


def scaled(image: UInt8[Tensor, "H W C"], scale: float) -> UInt8[Tensor, "h w C"]:
    """The image at a multiple of its size, with antialiasing where it shrinks."""
    size = tuple(max(1, round(extent * scale)) for extent in image.shape[:2])
    if size == image.shape[:2]:
        return image
    batch = image.permute(2, 0, 1)[None]
    return F.interpolate(batch, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)


def _probabilities(logits: Float[Tensor, "K H W"]) -> Float[Tensor, "K H W"]:
    return logits.sigmoid() if len(logits) == 1 else logits.softmax(0)


def _logits(probabilities: Float[Tensor, "K H W"]) -> Float[Tensor, "K H W"]:
    float32 = torch.finfo(torch.float32)
    if len(probabilities) == 1:
        return probabilities.logit(eps=float32.eps)
    return probabilities.clamp(min=float32.tiny).log()
