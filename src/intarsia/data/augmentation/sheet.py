"""Augmentations to look at: a sheet of views beside their originals."""

from collections.abc import Sequence

from intarsia.data.augmentation.strengths import Augmentation
from intarsia.data.augmentation.view import plan_view
from intarsia.data.classes import Classes
from intarsia.data.dataset import Sample
from intarsia.data.generators import generator_for
from intarsia.data.pictures import as_rgb, contact_sheet, overlay
from intarsia.errors import ArgumentError
from intarsia.shapes import Mask, Picture, RGBImage


def augmented_sheet(
    samples: Sequence[Sample], augmentation: Augmentation, classes: Classes, count: int, seed: int = 0
) -> RGBImage:
    """Two columns a sample, the image and its mask laid over it: the original first, then `count` views below.

    The views are those of a training with this seed in its first epochs, if `samples` are its first ones.

    Raises:
        ArgumentError: there is no sample, or `count` is below 1.
        DataError: a sample cannot be read.
    """
    if not samples or count < 1:
        raise ArgumentError(f"A sheet of views needs at least one sample and a `count` (={count}) of at least 1.")
    rows = [[picture for sample in samples for picture in _pair(sample.image(), sample.mask(), classes)]]
    for epoch in range(count):
        row: list[RGBImage] = []
        for index, sample in enumerate(samples):
            view = plan_view(sample.shape(), augmentation, generator_for(seed, epoch, index))
            row += _pair(*view.apply(sample.image(view.window), sample.mask(view.window)), classes)
        rows.append(row)
    return contact_sheet(rows, titles=[title for sample in samples for title in (sample.name, "")])


def _pair(image: Picture, mask: Mask, classes: Classes) -> tuple[RGBImage, RGBImage]:
    return as_rgb(image), overlay(image, mask, classes)
