"""Large images in overlapping tiles: a plan, and the stitching that carries it out.

Each tile is computed with more of the image around it than is kept. At a border between two tiles lie, across it,

    | discarded | ramp | discarded |        overlap = discarded + ramp + discarded

The discarded pixels are those that the cut spoils: a convolution saw zeros where the image goes on. Where they are as
many as the radius of the network's receptive field, nothing that is kept was spoiled, and the stitched map equals that
of the whole image. Within the ramp the two tiles pass into each other linearly; where they agree it changes nothing,
and where they cannot agree (a network that pools over the whole image sees another image in each tile) no seam shows.
A refiner that carries values along whole lines could carry what the cut spoiled as far; after training little of it is
left at some distance, and tiles overlap by so much more (:class:`intarsia.inference.limits.Limits`).

A finished part is handed on as soon as no later tile touches it. What waits is a ramp's width of the row of tiles, so
that memory does not grow with the number of classes times the size of the image.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.shapes import Window


@dataclass(frozen=True)
class Span:
    """One tile along one axis: the network sees ``start … stop``, and ``first … last`` of it counts.

    ``head`` and ``tail`` are the ramps shared with the tiles before and after; 0 at the image's edges.
    """

    start: int
    stop: int
    first: int
    last: int
    head: int
    tail: int

    def weights(self) -> Float[Tensor, " N"]:
        """One value for each position from ``first`` to ``last``; those of two neighbours add up to 1."""
        weights = torch.ones(self.last - self.first)
        weights[: self.head] = _rise(self.head)
        weights[len(weights) - self.tail :] = _rise(self.tail).flip(0)
        return weights


def _rise(ramp: int) -> Float[Tensor, " N"]:
    """From almost 0 to almost 1; with its mirror image it adds up to 1."""
    return (torch.arange(ramp) + 0.5) / max(1, ramp)


@dataclass(frozen=True)
class Grid:
    """How tiles lie along an axis, in pixels.

    ``tile`` and ``overlap`` are multiples of ``step``, the network's stride: a tile that starts between two samples of
    its grid computes another function. ``extra`` is 1 for networks that align the corners of their maps: with a tile
    of n · step + 1 pixels the first and last samples lie on the first and last pixels, and all tiles agree on where
    the samples lie; elsewhere 0.
    """

    tile: int
    overlap: int
    step: int
    extra: int = 0

    @property
    def ramp(self) -> int:
        """A quarter of the overlap; the rest is discarded."""
        return self.overlap // 4

    def spans(self, size: int) -> list[Span]:
        """The tiles along an axis of ``size`` pixels; one, if it is no longer than a tile.

        >>> [(s.start, s.stop, s.first, s.last) for s in Grid(64, 32, 32).spans(150)]
        [(0, 64, 0, 52), (32, 96, 44, 84), (64, 128, 76, 116), (96, 150, 108, 150)]
        """
        end = max(0, -(-(size - self.tile - self.extra) // self.step) * self.step)
        starts = [*range(0, end, self.tile - self.overlap), end]
        stops = [min(size, start + self.tile + self.extra) for start in starts]
        cuts = [(start + stop) // 2 - self.ramp // 2 for start, stop in zip(starts[1:], stops[:-1], strict=True)]
        return [
            Span(
                start,
                stop,
                first=cuts[i - 1] if i > 0 else 0,
                last=cuts[i] + self.ramp if i < len(cuts) else size,
                head=self.ramp if i > 0 else 0,
                tail=self.ramp if i < len(cuts) else 0,
            )
            for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
        ]


Predictor = Callable[[Window], Float[Tensor, "K h w"]]
"""From a window of the image to float32 logits (or depths) of that window alone, on the CPU."""

Part = tuple[Window, Float[Tensor, "K h w"]]
"""Where a finished part lies in the image, and its logits."""


def stitch(predict: Predictor, size: tuple[int, int], grid: Grid) -> Iterator[Part]:
    """The finished parts, from top to bottom and left to right: together they cover each pixel once.

    What is cut into tiles is the caller's: ``predict`` is told the window of an image of ``size`` (rows, columns).
    """
    rows, columns = (grid.spans(length) for length in size)
    above: Tensor | None = None
    for row in rows:
        below: Tensor | None = None
        for left, part in _across(predict, row, columns):
            if above is not None:
                part[:, : row.head] += above[:, :, left : left + part.shape[2]]
            if row.tail:
                if below is None:
                    below = part.new_empty(part.shape[0], row.tail, size[1])
                below[:, :, left : left + part.shape[2]] = part[:, part.shape[1] - row.tail :]
            part = part[:, : part.shape[1] - row.tail]
            yield (slice(row.first, row.first + part.shape[1]), slice(left, left + part.shape[2])), part
        above = below


def _across(predict: Predictor, row: Span, columns: Sequence[Span]) -> Iterator[tuple[int, Float[Tensor, "K h w"]]]:
    """The tiles of one row passed into each other: the first column of each part, and its weighted logits."""
    before: Tensor | None = None
    for column in columns:
        tile = predict((slice(row.start, row.stop), slice(column.start, column.stop)))
        kept = tile[
            :, row.first - row.start : row.last - row.start, column.first - column.start : column.last - column.start
        ]
        part = kept * row.weights()[:, None] * column.weights()
        if before is not None:
            part[:, :, : column.head] += before
        width = part.shape[2] - column.tail
        before = part[:, :, width:].clone() if column.tail else None  # a copy: a view would keep the whole tile
        yield column.first, part[:, :, :width]
