"""Where the positions of a network's maps lie in its image."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from intarsia.backbones.survey import PROBE, bare_copy, stride_of_growth
from intarsia.diagnostics.watching import Keep, input_of, watched
from intarsia.models import SegmentationNetwork
from intarsia.models.framing import Mirrored


@dataclass(frozen=True)
class Grid:
    """The positions of a map: ``rows`` × ``columns`` of them, ``stride`` pixels apart.

    ``first`` is the row and column of the first one in pixels, which have their centres at 0, 1, 2, …
    """

    rows: int
    columns: int
    stride: int
    first: tuple[float, float]

    def position(self, x: int, y: int) -> tuple[int, int]:
        """Row and column of the position that is nearest to a pixel.

        >>> Grid(4, 4, 8, (3.5, 3.5)).position(x=15, y=16)
        (2, 1)
        """
        return int(self._nearest(np.array([y]), 0)[0]), int(self._nearest(np.array([x]), 1)[0])

    def spread(self, values: Float[np.ndarray, "h w"], height: int, width: int) -> Float[np.ndarray, "H W"]:
        """Over an image of this size: each pixel gets the value of the nearest position."""
        rows, columns = self._nearest(np.arange(height), 0), self._nearest(np.arange(width), 1)
        return values[rows[:, None], columns]

    def places(self, height: int, width: int) -> tuple[Int[np.ndarray, "h"], Int[np.ndarray, "w"]]:
        """The row and column of the pixel under each position, or the nearest in an image of this size."""
        down, across = (
            np.clip(np.floor(first + self.stride * np.arange(count) + 0.5), 0, extent - 1).astype(int)
            for first, count, extent in zip(self.first, (self.rows, self.columns), (height, width), strict=True)
        )
        return down, across

    def _nearest(self, pixels: Int[np.ndarray, "n"], axis: int) -> Int[np.ndarray, "n"]:
        last = (self.rows, self.columns)[axis] - 1
        return np.clip(np.floor((pixels - self.first[axis]) / self.stride + 0.5), 0, last).astype(int)


def grid_of(net: SegmentationNetwork, stride: int, size: tuple[int, int], positions: tuple[int, int]) -> Grid:
    """The grid of a map of this stride and so many positions, in an image of ``size`` rows and columns.

    A map of as many positions as the (extended) image has strides is taken to tile it, as in
    :attr:`~intarsia.backbones.BackboneSpec.origins`. Any other, of a network that pads its image by 100 pixels or not
    at all, lies in the middle.
    """
    extended = net.frame.extend(torch.empty(1, 1, *size, device="meta")).shape[-2:]
    margin = net.frame.margin if isinstance(net.frame, Mirrored) else 0
    first = []
    for extent, count in zip(extended, positions, strict=True):
        tiles = count == -(-extent // stride)
        first.append((stride - 1) / 2 if tiles else (extent - 1) / 2 - (count - 1) * stride / 2 - margin)
    return Grid(*positions, stride, (first[0], first[1]))


def strides_of(net: nn.Module, names: Iterable[str], keep: Keep = input_of) -> dict[str, int]:
    """The stride of the map that enters each module, from how it grows with the image: a dry run at two sizes.

    1 where a map has the same size for any image. ``keep`` picks another map.
    """
    bare = bare_copy(net)
    channels = net.backbone.spec.in_channels if isinstance(net, SegmentationNetwork) else 3
    small, large = (
        watched(bare, torch.empty(1, channels, pixels, pixels, device="meta"), names, keep)
        for pixels in (PROBE, 2 * PROBE)
    )
    return {
        name: stride_of_growth((maps[0].shape[-1:], large[name][0].shape[-1:])) or 1 for name, maps in small.items()
    }
