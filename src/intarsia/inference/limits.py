"""How much of an image goes through the network at once."""

import math
import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.errors import ArgumentError, IntarsiaWarning
from intarsia.inference.tiling import Grid, Predictor, stitch
from intarsia.inference.views import Views
from intarsia.models import DepthNetwork, SegmentationNetwork
from intarsia.models.crf import REFINED_FLOATS, REFINED_MAPS
from intarsia.shapes import Window

WHOLE_PIXELS = 1 << 22  # 2048 × 2048: a PSPNet on ResNet-50 at output stride 8 then takes some 4 GB in float32
MAP_FLOATS = 1 << 29  # the largest float map that is ever made: 2 GiB
TILE = 1024
TILE_FLOATS = 1 << 26  # logits of a tile: 256 MiB, so that 150 classes get tiles of 640 pixels
REFINED_TILE_FLOATS = 1 << 28  # and what a refinement needs for a tile: 1 GiB
FEWEST_STEPS = 4  # a tile of 4 strides, overlapping by one
SPOILED = 8 / 3  # of an overlap, three eighths on each side are discarded
QUARTERS = 4  # tiles start where the usual scales, 0.5, 0.75, 1.25, …, give whole strides


@dataclass
class Limits:
    """What one segmenter may compute in one pass; shrinks when the device's memory runs out.

    Images of up to ``WHOLE_PIXELS`` are computed whole, if their logits (at the largest scale) fit into ``MAP_FLOATS``,
    and so does what a refinement needs for them, or a refiner inside the network, ``inside`` floats a pixel. Tiles
    overlap by a quarter, and by more, up to a half, where such a refiner, or a depth network's propagation, carries
    what a cut spoiled further: ``reach`` pixels.
    """

    step: int
    extra: int
    classes: int
    magnification: float
    wanted: int | None
    refined: bool = False
    side: int | None = None
    inside: int = 0
    reach: int = 0

    @classmethod
    def of(
        cls,
        net: SegmentationNetwork,
        classes: int,
        views: Views | None,
        tile: int | None,
        refined: bool = False,
    ) -> "Limits":
        """The limits of a network with so many classes.

        Raises:
            ArgumentError: ``tile`` is too small for the network's stride.
        """
        step = max(net.frame.multiple, net.backbone.spec.output_stride) * (1 if views is None else QUARTERS)
        if tile is not None and tile < FEWEST_STEPS * step:
            raise ArgumentError(
                f"`tile` (={tile}) must be at least {FEWEST_STEPS * step} pixels, {FEWEST_STEPS} times the network's "
                f"stride{'' if views is None else ' at its smallest scale'}."
            )
        magnification = 1.0 if views is None else max(1.0, *views.scales)
        carries = net if isinstance(net, DepthNetwork) else getattr(net, "refiner", None)
        inside, reach = (0, 0) if carries is None else (carries.floats, carries.reach)
        extra = int(net.frame.align_corners)
        return cls(step, extra, classes, magnification, tile, refined, inside=inside, reach=reach)

    @property
    def protocol(self) -> str:
        """When there are tiles, in one sentence."""
        grid = self._grid(self._tile())
        size = f"{self._whole_pixels() / 1e6:.1f} megapixels" if self.wanted is None else f"{grid.tile} pixels a side"
        return f"Images of more than {size} in tiles of {grid.tile} pixels that overlap by {grid.overlap}."

    def grid(self, rows: int, columns: int) -> Grid | None:
        """The tiles of an image, or None if it is computed whole."""
        if self.wanted is None and rows * columns <= self._whole_pixels():
            return None
        return self._grid(self._tile())

    def fits(self, rows: int, columns: int) -> bool:
        """Whether the device's memory has not yet been found too small for this."""
        return self.side is None or max(rows, columns) <= self.side + self.extra

    def shrink(self, rows: int, columns: int) -> bool:
        """Halve what is computed at once, after the memory did not suffice; True the first time.

        Raises:
            ArgumentError: tiles cannot be any smaller.
        """
        first = self.side is None
        self.side = max(rows, columns) // 2 // self.step * self.step
        if self.side < FEWEST_STEPS * self.step:
            raise ArgumentError(
                f"The device's memory does not suffice for {rows} × {columns} pixels, and smaller tiles would not do; "
                'free some of it, or pass `device="cpu"`.'
            )
        return first

    def small_grid(self) -> Grid:
        """Tiles that fit into the device's memory."""
        assert self.side is not None
        return self._grid(self.side)

    def _whole_pixels(self) -> int:
        most = max(self.classes, self.inside)
        affordable = min(WHOLE_PIXELS, int(MAP_FLOATS / most / self.magnification**2))
        return min(affordable, MAP_FLOATS // self._refined_floats()) if self.refined else affordable

    def _refined_floats(self) -> int:
        """What a refinement keeps for a pixel."""
        return REFINED_MAPS * self.classes + REFINED_FLOATS

    def _tile(self) -> int:
        affordable = math.isqrt(int(TILE_FLOATS / self.classes / self.magnification**2))
        if self.inside:
            affordable = min(affordable, math.isqrt(int(REFINED_TILE_FLOATS / self.inside / self.magnification**2)))
        if self.refined:
            affordable = min(affordable, math.isqrt(REFINED_TILE_FLOATS // self._refined_floats()))
        side = min(TILE, affordable) if self.wanted is None else self.wanted
        return max(FEWEST_STEPS, side // self.step) * self.step

    def _grid(self, tile: int) -> Grid:
        further = math.ceil(SPOILED * self.reach / self.step) * self.step
        overlap = max(1, min(tile // 4 + further, tile // 2) // self.step) * self.step
        return Grid(tile, overlap, self.step, self.extra)


def spared(predict: Predictor, size: tuple[int, int], limits: Limits, device: str) -> Float[Tensor, "K H W"]:
    """What ``predict`` gives for all of ``size``: in one pass, or in tiles where the memory does not suffice for that.

    Tiles that are still too large are cut in turn; ``limits`` keep in mind what was too large, and one warning says so.

    Raises:
        ArgumentError: no tile fits.
    """
    if limits.fits(*size):
        try:
            return predict((slice(0, size[0]), slice(0, size[1])))
        except torch.OutOfMemoryError:
            first = limits.shrink(*size)
        if first:
            warnings.warn(
                f"The memory of `{device}` does not suffice for {size[0]} × {size[1]} pixels at once; the network goes "
                "on with smaller tiles.",
                IntarsiaWarning,
                stacklevel=2,
            )

    def tile(window: Window) -> Tensor:
        (top, bottom), (left, right) = ((part.start, part.stop) for part in window)
        return spared(
            lambda part: predict((_moved(part[0], top), _moved(part[1], left))),
            (bottom - top, right - left),
            limits,
            device,
        )

    whole: Tensor | None = None
    for (rows, columns), part in stitch(tile, size, limits.small_grid()):
        whole = part.new_empty(len(part), *size) if whole is None else whole
        whole[:, rows, columns] = part
    assert whole is not None
    return whole


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)
