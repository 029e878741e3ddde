"""A trained network ready to use: preprocessing, network, classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intarsia.data import Classes, PixelFormat
from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.limits import MAP_FLOATS, Limits, spared
from intarsia.inference.refining import refined
from intarsia.inference.result import Result, labels_of
from intarsia.inference.source import Source, picture_of
from intarsia.inference.tiling import Part, stitch
from intarsia.inference.views import Answer, Views
from intarsia.models import SegmentationNetwork
from intarsia.runs.refinement import Refinement
from intarsia.runs.settings import REFINERS
from intarsia.shapes import Mask, Picture


@dataclass(frozen=True, eq=False)
class Segmenter:
    """Network + preprocessing + classes, placed where ``execution`` says.

    With ``views`` an answer is the mean over several views of the image. Images that are too large for one pass go
    through the network in overlapping tiles, by default of the largest size that is affordable everywhere. ``tile`` is
    another side for them, in pixels; then every image that has a longer side is tiled. ``pixels`` says what the numbers
    in picture files mean; files of more than ``max_pixels`` pixels are refused. ``terms``: under which licence others
    published the network. With a ``refinement`` the answers (of each tile, before tiles are joined) go through a dense
    CRF; all logits and probabilities are those after it.
    """

    net: SegmentationNetwork = field(repr=False)  # a page long
    preprocessing: Preprocessing
    classes: Classes
    execution: Execution
    views: Views | None = None
    tile: int | None = None
    pixels: PixelFormat | None = None
    max_pixels: int = MAX_PIXELS
    terms: str = ""
    refinement: Refinement | None = None
    limits: Limits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits = Limits.of(self.net, self.classes.count, self.views, self.tile, self.refinement is not None)
        object.__setattr__(self, "limits", limits)

    @property
    def protocol(self) -> str:
        """How an image is answered, in a sentence or two; it is printed beside the scores."""
        answer = "One pass of the network over each image." if self.views is None else self.views.protocol
        refined = "" if self.refinement is None else f" {self.refinement.protocol}"
        refiner = getattr(self.net, "refiner", None)
        inside = (
            ""
            if refiner is None
            else f" It is refined by {REFINERS[refiner.kind]} that was trained inside the network."
        )
        return f"{answer} {self.limits.protocol}{inside}{refined}"

    def picture(self, source: Source) -> Picture:
        """The image as the network takes it, from a file, an array or a PIL image.

        Raises:
            DataError: the file cannot be read.
            ArgumentError: another array, or another number of channels.
        """
        return picture_of(source, self.pixels or PixelFormat(len(self.preprocessing.mean)), self.max_pixels)

    def predict(self, source: Source, *, logits: bool = True, watch: Callable[[Part], None] | None = None) -> Result:
        """Segment one image: a file, an (H, W, C) uint8 array or a PIL image.

        Args:
            source: the image; three channels are RGB.
            logits: keep the logits, and so the probabilities, unless they would take more than 2 GiB.
            watch: called with each finished part, its window and its logits, while the next one is waiting.

        Raises:
            DataError: the file cannot be read.
            ArgumentError: another array, another number of channels, or a network in training mode.
        """
        image = self.picture(source)
        mask = np.empty(image.shape[:2], self.classes.dtype)
        kept: np.ndarray | None = None
        for window, part in self.parts(image):
            mask[window] = labels_of(part, self.classes)
            if part.shape[1:] == mask.shape:
                kept = part.numpy() if logits else None
            elif logits and len(part) * mask.size <= MAP_FLOATS:
                kept = np.empty((len(part), *mask.shape), np.float32) if kept is None else kept
                kept[:, *window] = part.numpy()
            if watch is not None:
                watch((window, part))
        return Result(image, mask, self.classes, kept)

    def parts(self, source: Source) -> Iterator[Part]:
        """The answer in parts, each a window of the image and its logits (K, h, w): memory for one part at a time.

        Together they cover each pixel once. An image that is computed whole is one part.
        """
        yield from self._parts(source, self._answer)

    def predict_both(self, source: Source) -> tuple[Mask, Result]:
        """The mask before the refinement, and the result after it, by one pass of the network.

        Raises:
            ArgumentError: the segmenter has no refinement; or as :meth:`predict`.
        """
        if self.refinement is None:
            raise ArgumentError("There is no refinement; `intarsia refine RUN DATA --fit` gives a run one.")
        image = self.picture(source)
        before, after = (np.empty(image.shape[:2], self.classes.dtype) for _ in range(2))
        for window, part in self._parts(image, self._both):
            for mask, logits in zip((before, after), part.chunk(2), strict=True):
                mask[window] = labels_of(logits, self.classes)
        return before, Result(image, after, self.classes)

    def _parts(self, source: Source, answer: Answer) -> Iterator[Part]:
        if self.net.training:
            raise ArgumentError("The network is in training mode; call `.eval()` on it before predicting.")
        picture = np.require(self.picture(source), requirements=["C", "W"])  # torch warns of what it could not write to
        image = torch.from_numpy(picture)
        grid = self.limits.grid(*image.shape[:2])
        if grid is None:
            yield (slice(0, image.shape[0]), slice(0, image.shape[1])), answer(image)
        else:
            yield from stitch(lambda window: answer(image[window]), (image.shape[0], image.shape[1]), grid)

    def _answer(self, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "K H W"]:
        plain = self._plain(image)
        return plain if self.refinement is None else refined(plain, image, self.refinement.settings)

    def _both(self, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "_ H W"]:
        """The logits before and after the refinement, one above the other: tiles are joined alike."""
        assert self.refinement is not None
        plain = self._plain(image)
        return torch.cat([plain, refined(plain, image, self.refinement.settings)])

    def _plain(self, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "K H W"]:
        return self._logits(image) if self.views is None else self.views.predict(self._logits, image)

    def _logits(self, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "K H W"]:
        size = image.shape[0], image.shape[1]
        return spared(lambda window: self._one_pass(image[window]), size, self.limits, self.execution.device)

    @torch.inference_mode()
    def _one_pass(self, image: UInt8[Tensor, "H W C"]) -> Float[Tensor, "K H W"]:
        batch = self.preprocessing(image[None].to(self.execution.device))
        with self.execution.autocast():
            return self.net(self.execution.place_images(batch))[0].float().cpu()
