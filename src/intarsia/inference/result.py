"""What a segmenter answers for one image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.data import Classes, overlay, write_mask
from intarsia.errors import ArgumentError
from intarsia.shapes import Mask, Picture, Probabilities, RGBImage

_STRIP_PIXELS = 1 << 22  # of an overlay, whose arithmetic takes some 50 bytes a pixel


@dataclass(frozen=True, eq=False)
class Result:
    """The answer for one image: ``mask`` is (H, W), ``logits`` (K, H, W) or None where they were not kept."""

    image: Picture
    mask: Mask
    classes: Classes
    logits: Float[np.ndarray, "K H W"] | None = None

    @property
    def probabilities(self) -> Probabilities:
        """Softmax over the classes (K, H, W), or the sigmoid of one logit (1, H, W); float32.

        Raises:
            ArgumentError: the logits were not kept.
        """
        if self.logits is None:
            rows, columns = self.mask.shape
            raise ArgumentError(
                f"The probabilities of this image ({rows} × {columns} pixels, {self.classes.count} classes) were not "
                "kept, to save memory; `segmenter.parts(image)` gives them part by part, `intarsia predict "
                "--probabilities` writes them to a file."
            )
        return probabilities_of(torch.from_numpy(self.logits))

    def overlay(self, opacity: float = 0.5) -> RGBImage:
        """The image under the colours of its classes."""
        rows = max(1, _STRIP_PIXELS // self.mask.shape[1])
        picture = np.empty((*self.mask.shape, 3), np.uint8)
        for top in range(0, len(self.mask), rows):
            strip = slice(top, top + rows + 1)  # a border depends on the row below
            picture[top : top + rows] = overlay(self.image[strip], self.mask[strip], self.classes, opacity)[:rows]
        return picture

    def save(self, path: str | Path) -> None:
        """Write the mask as an index PNG with the classes' palette."""
        write_mask(Path(path), self.mask, self.classes)


def labels_of(logits: Float[Tensor, "K H W"], classes: Classes) -> Mask:
    """Class indices: the (first) largest logit, or for one logit its sign."""
    if len(logits) == 1:
        return (logits[0] > 0).numpy().astype(classes.dtype)
    labels, largest = np.zeros(logits.shape[1:], classes.dtype), logits[0].clone()
    for index in range(1, len(logits)):  # plane by plane: `argmax` over the first axis takes three times as long
        np.putmask(labels, (logits[index] > largest).numpy(), index)
        torch.maximum(largest, logits[index], out=largest)
    return labels


def probabilities_of(logits: Float[Tensor, "K H W"]) -> Probabilities:
    """Softmax over the classes, or the sigmoid of one logit."""
    return (logits.sigmoid() if len(logits) == 1 else logits.softmax(0)).numpy()
