"""The mosaics that trainings are compared on: as they are, with rare classes, or labelled in parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from intarsia.data import Dataset, Sample, generator_for
from intarsia.data.dataset import windowed
from intarsia.data.samples.materials import materials
from intarsia.shapes import IGNORE, Mask, RGBImage, Window

CHOOSING, JUDGING = 1, 2  # seeds of mosaics that no training sees: for choosing settings, and for scores
LEAST_LABELLED = 0.01  # of a mosaic that is labelled in part


@dataclass(frozen=True)
class Mosaics:
    """The data of all trainings: so many mosaics of ``size`` × ``size`` pixels to train on, and to validate on.

    ``judged``: on how many others that nothing saw a network is scored. ``rare`` classes are in one mosaic of fifteen,
    others in eleven. ``in_parts``: of each mosaic to train on another share is labelled, see :class:`InPart`.
    """

    train: int = 800
    val: int = 64
    size: int = 96
    judged: int = 48
    rare: tuple[str, ...] = ()
    in_parts: bool = False

    @property
    def name(self) -> str:
        """Of the folder that holds them: different for different data."""
        kind = [*self.rare, *(["in_parts"] if self.in_parts else [])]
        return "_".join(["mosaics", str(self.train), str(self.val), str(self.size), *kind])

    @property
    def key(self) -> list[object]:
        """What belongs to a training's key, beside its crop's size."""
        kind = [self.rare, self.in_parts] if self.rare or self.in_parts else []
        return [self.train, self.val, *kind]

    def dataset(self) -> Dataset:
        """The mosaics themselves."""
        whole = materials(self.train, self.val, self.size, rare=self.rare)
        if not self.in_parts:
            return whole
        parts = tuple(InPart(sample, place) for place, sample in enumerate(whole.split("train")))
        return replace(whole, splits={**whole.splits, "train": parts})

    def at_scale(self, scale: float) -> Dataset:
        """As many validation mosaics whose regions are larger by a factor; their textures are as large as before."""
        return materials(train=1, val=self.val, size=round(scale * self.size))

    def unseen(self, seed: int, count: int) -> Sequence[Sample]:
        """Other mosaics than those of any training, of the validation's parts of the photographs, wholly labelled."""
        return materials(train=1, val=count, size=self.size, seed=seed, rare=self.rare).split("val")


MOSAICS = Mosaics()


@dataclass(frozen=True)
class InPart:
    """A mosaic of which a disc is labelled; the logarithm of its share is drawn evenly, from a hundredth to all."""

    sample: Sample
    place: int

    @property
    def name(self) -> str:
        """The whole one's."""
        return self.sample.name

    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.sample.shape()

    def image(self, window: Window | None = None) -> RGBImage:
        """All of it."""
        return self.sample.image(window)

    def mask(self, window: Window | None = None) -> Mask:
        """The class of each pixel within the disc; the others are ignored."""
        rows, columns = self.shape()
        generator = generator_for(0, self.place)
        share = LEAST_LABELLED ** generator.random()
        middle = generator.random(2) * (rows, columns)
        distance = np.hypot(np.arange(rows)[:, None] - middle[0], np.arange(columns) - middle[1])
        labelled = distance <= np.quantile(distance, share)
        return windowed(np.where(labelled, self.sample.mask(), IGNORE).astype(np.uint8), window)
