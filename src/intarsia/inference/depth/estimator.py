"""A trained depth network ready to use: from an image and a few measured depths to a depth for each pixel."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intarsia.data import PixelFormat
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth import Depth, Measuring
from intarsia.data.depth.files import read_beside
from intarsia.errors import ArgumentError
from intarsia.inference.depth.result import DepthResult
from intarsia.inference.execution import Execution, Preprocessing
from intarsia.inference.limits import Limits, spared
from intarsia.inference.source import Source, picture_of
from intarsia.inference.tiling import stitch
from intarsia.metrics.depth import LEAST
from intarsia.models import DepthNetwork
from intarsia.models.depth_completion import Beginning
from intarsia.shapes import Picture, Window


@dataclass(frozen=True, eq=False)
class DepthEstimator:
    """Network + preprocessing, placed where ``execution`` says.

    ``preprocessing`` covers the picture's channels; measured depths are the network's last channel as they are.
    ``measuring`` is how depths were measured in training, None for the measurements of a sensor. Images that are too
    large for one pass go through the network in overlapping tiles, of ``tile`` pixels a side if given, each with the
    depths that were measured within it. ``pixels`` says what the numbers in picture files mean; files of more than
    ``max_pixels`` pixels are refused.

    >>> from intarsia.models import create_model
    >>> net = create_model("cspn_depth", "test_resnet", steps=3).eval()
    >>> estimator = DepthEstimator(net, Preprocessing((0.5,) * 3, (0.25,) * 3), Execution())
    >>> image, measured = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.float32)
    >>> measured[20, 30] = 2.5
    >>> result = estimator.predict(image, measured)
    >>> result.depth.shape, float(result.depth[20, 30])
    ((40, 60), 2.5)
    """

    net: DepthNetwork = field(repr=False)
    preprocessing: Preprocessing
    execution: Execution
    tile: int | None = None
    pixels: PixelFormat | None = None
    max_pixels: int = MAX_PIXELS
    measuring: Measuring | None = None
    limits: Limits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", Limits.of(self.net, 1, None, self.tile))

    @property
    def protocol(self) -> str:
        """How an image is answered, in a sentence or two; it is printed beside the scores."""
        return f"One pass of the network over each image. {self.limits.protocol}"

    def picture(self, source: Source) -> Picture:
        """The image as the network takes it, from a file, an array or a PIL image.

        Raises:
            DataError: the file cannot be read.
            ArgumentError: another array, or another number of channels.
        """
        return picture_of(source, self.pixels or PixelFormat(len(self.preprocessing.mean)), self.max_pixels)

    def predict(self, source: Source, measured: Depth | str | Path) -> DepthResult:
        """A depth for each pixel of one image: a file, an (H, W, C) uint8 array or a PIL image.

        What the network puts at less than a millimetre, behind the camera too, is a millimetre. Where its form keeps
        measured depths (``measured="replaced"``), they are the answer to the bit, in tiles too.

        Args:
            source: the image; three channels are RGB.
            measured: metres at the same (H, W), 0 where nothing was measured; or a file of them, TIFF or NPY, or a
                16-bit PNG whose unit depth.json states beside it or one folder above.

        Raises:
            DataError: a file cannot be read, or nothing states its unit.
            ArgumentError: another image, measurements of another size, none, or negative ones; a network in training
                mode; or one whose answer is not finite.
        """
        if self.net.training:
            raise ArgumentError("The network is in training mode; call `.eval()` on it before predicting.")
        picture = self.picture(source)
        if isinstance(measured, (str, Path)):
            measured = read_beside(Path(measured), self.max_pixels)
        _check(measured, picture.shape[:2])
        image, told = (torch.from_numpy(np.require(array, requirements=["C", "W"])) for array in (picture, measured))
        depth = self._whole(_Told(image, told, self.net.beginning(told[None, None]))).numpy()
        if not np.isfinite(depth).all():
            raise ArgumentError(
                f"The network's depths are not finite at {int((~np.isfinite(depth)).sum())} of {depth.size} pixels: "
                "its weights are spoiled, so train it again, with a smaller learning rate."
            )
        return DepthResult(picture, self._kept(np.maximum(depth, np.float32(LEAST)), measured), measured)

    def _kept(self, depth: Depth, measured: Depth) -> Depth:
        """With the measurements again where the propagation holds on to them, since tiles that are blended round."""
        form = self.net.form
        return np.where(measured > 0, measured, depth) if form.steps and form.measured == "replaced" else depth

    def _whole(self, told: "_Told") -> Float[Tensor, "H W"]:
        size = told.size
        grid = self.limits.grid(*size)
        if grid is None:
            return self._spared(told)[0]
        depth = torch.empty(size)
        for window, part in stitch(lambda window: self._spared(told.cut(window)), size, grid):
            depth[window] = part[0]
        return depth

    def _spared(self, told: "_Told") -> Float[Tensor, "1 h w"]:
        return spared(lambda window: self._one_pass(told.cut(window)), told.size, self.limits, self.execution.device)

    @torch.inference_mode()
    def _one_pass(self, told: "_Told") -> Float[Tensor, "1 h w"]:
        device = self.execution.device
        pictures = self.preprocessing(told.image[None].to(device))
        batch = torch.cat([pictures, told.measured[None, None].to(device)], dim=1)
        begun = told.beginning and Beginning(*(part.to(device) for part in told.beginning))
        with self.execution.autocast():
            return self.net(self.execution.place_images(batch), begun)[0].float().cpu()


@dataclass(frozen=True)
class _Told:
    """What the network is told of an image or a part of it; the ``beginning`` stays that of the whole."""

    image: UInt8[Tensor, "H W C"]
    measured: Float[Tensor, "H W"]
    beginning: Beginning | None

    @property
    def size(self) -> tuple[int, int]:
        return self.measured.shape[0], self.measured.shape[1]

    def cut(self, window: Window) -> "_Told":
        begun = self.beginning and self.beginning._replace(start=self.beginning.start[:, :, *window])
        return _Told(self.image[window], self.measured[window], begun)


def _check(measured: Depth, size: tuple[int, ...]) -> None:
    if measured.shape != size:
        raise ArgumentError(
            f"`measured` {measured.shape} must have the rows and columns {size} of the image: resize it without "
            "interpolating."
        )
    if measured.dtype != np.float32:
        raise ArgumentError(f"`measured` ({measured.dtype}) must be float32, in metres; `.astype(np.float32)` does it.")
    if not np.isfinite(measured).all() or (measured < 0).any():
        raise ArgumentError("`measured` must hold finite metres from 0 on: put 0 where nothing was measured.")
    if not measured.any():
        raise ArgumentError(
            "`measured` holds no depth at all, only zeros, and nothing tells the distances: measure some."
        )
