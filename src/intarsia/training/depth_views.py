"""Views of images with depths as tensors: what is true, and what the network is told of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from intarsia.data import Augmentation, View, generator_for, plan_view
from intarsia.data.depth import Depth, DepthSample, Measuring, measure
from intarsia.errors import IntarsiaError
from intarsia.shapes import Picture
from intarsia.training.samplers import Draw

MEASURED = 1  # after seed, epoch and index: a stream beside the augmentation's, whose draws stay as they are


class MeasuredSamples(Dataset[tuple[Tensor, Tensor] | IntarsiaError]):
    """(epoch, index) → image (h, w, C) and depths (2, h, w), true and measured; a pure function of the seed.

    Depths are metres as float32, 0 where none is known. Without ``measuring`` the samples' own sensor measures.
    """

    def __init__(
        self, samples: Sequence[DepthSample], augmentation: Augmentation, seed: int, measuring: Measuring | None
    ) -> None:
        self.samples = samples
        self.augmentation = augmentation
        self.seed = seed
        self.measuring = measuring

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor] | IntarsiaError:
        epoch, index = draw
        sample = self.samples[index]
        try:
            view = plan_view(sample.shape(), self.augmentation, generator_for(self.seed, epoch, index))
            image, true, measured = self._seen(sample, view, generator_for(self.seed, epoch, index, MEASURED))
        except IntarsiaError as error:  # a worker's exception would arrive as a traceback
            return error
        return torch.from_numpy(image), torch.from_numpy(np.stack([true, measured]))

    def _seen(self, sample: DepthSample, view: View, generator: np.random.Generator) -> tuple[Picture, Depth, Depth]:
        image, depth = sample.image(view.window), sample.depth(view.window)
        if self.measuring is None:
            own = sample.measured(view.window)
            image, (true, measured) = view.apply_to_depths(image, depth, depth if own is None else own)
            return image, true, measured
        image, (true,) = view.apply_to_depths(image, depth)
        return image, true, measure(true, image, in_view(self.measuring, view), generator)


def in_view(measuring: Measuring, view: View) -> Measuring:
    """How a view is measured: with the share of the pixels, or of the scan lines, that falls on what it shows.

    Measured as densely as the whole image is; the spacing of a grid is in pixels of the view.
    """
    rows, columns = view.shares
    share = {"count": rows * columns, "confidence": rows * columns, "lines": rows, "grid": 1.0}[measuring.kind]
    return replace(measuring, amount=max(1, round(share * measuring.amount)))
