"""What an explanation is about: a network and the picture that it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intarsia.data import Classes, as_rgb, open_dataset, read_mask
from intarsia.data.dataset import unequal
from intarsia.data.source import is_sample
from intarsia.diagnostics.report.pictures import shrink_mask
from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, DataError
from intarsia.inference import Segmenter
from intarsia.inference.result import labels_of
from intarsia.inference.source import Source
from intarsia.inference.views import scaled
from intarsia.models import SegmentationNetwork
from intarsia.shapes import Mask, Picture, RGBImage

LONGEST_SIDE = 768  # pixels: gradients of a ResNet-101 at output stride 8 fit into 8 GB, a page into 10 MB

Point = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Subject:
    """A network and a picture.

    Args:
        network: in evaluation mode, float32.
        image: the picture as the network takes it, normalised.
        picture: the same pixels to draw on.
        classes: names and colours.
        points: (x, y) of pixels that the user asked about, from the upper left, in ``picture``; none by default.
        stage: the nominal stride of the backbone's stage that the user asked about, or None for all.
        truth: the true mask of the picture, or None.
        crf: of the dense CRF that refines the network's answers, or None.
    """

    network: SegmentationNetwork
    image: Float[Tensor, "1 C H W"]
    picture: RGBImage
    classes: Classes
    points: tuple[Point, ...] = ()
    stage: int | None = None
    truth: Mask | None = None
    crf: CRFSettings | None = None

    @torch.no_grad()
    def logits(self) -> Float[Tensor, "K H W"]:
        """What the network answers, on the CPU."""
        return self.network(self.image)[0].float().cpu()

    def stages(self) -> list[int]:
        """Which stages of the backbone were asked about, as indices.

        Raises:
            ArgumentError: the backbone has no such stage.
        """
        spec = self.network.backbone.spec
        if self.stage is None:
            return list(range(len(spec.channels)))
        if self.stage not in spec.nominal_strides:
            raise ArgumentError(
                f"Backbone `{spec.name}` has no stage at stride {self.stage}; name one of "
                f"{', '.join(map(str, spec.nominal_strides))}."
            )
        return [spec.index_of(self.stage)]

    def mask(self) -> Mask:
        """The class that the network sees in each pixel."""
        return labels_of(self.logits(), self.classes)


def open_subject(
    segmenter: Segmenter,
    source: Source,
    points: Sequence[Point] = (),
    stage: int | None = None,
    mask: str | Path | None = None,
) -> Subject:
    """A picture, prepared for the network.

    A picture with a side above ``LONGEST_SIDE`` is made smaller, with its points and mask, so that memory is bounded.

    Args:
        segmenter: network, preprocessing, classes.
        source: a file, an array, a PIL image, or a picture of a built-in set such as ``sample:materials/val-0003``,
            which brings its mask if the network knows the set's classes and ``mask`` gives no other.
        points: (x, y) of pixels in the picture as it is on disk.
        stage: as in :class:`Subject`.
        mask: a file with the true mask.

    Raises:
        DataError: the picture or the mask cannot be read, differ in size, or the set has no such picture.
        ArgumentError: a point outside the picture; or a picture that the network does not take.
    """
    picture, truth = _read(segmenter, source, mask)
    rows, columns = picture.shape[:2]
    for x, y in points:
        if not (0 <= x < columns and 0 <= y < rows):
            raise ArgumentError(
                f"The point {x},{y} lies outside the picture, which has {columns} columns (x) and {rows} rows (y), "
                "counted from 0,0 in the upper left corner; choose one inside."
            )
    scale = min(1.0, LONGEST_SIDE / max(rows, columns))
    pixels = scaled(torch.from_numpy(np.array(picture)), scale)
    small = pixels.numpy()
    image = segmenter.preprocessing(pixels[None].to(segmenter.execution.device))
    return Subject(
        segmenter.net,
        segmenter.execution.place_images(image),
        as_rgb(small),
        segmenter.classes,
        tuple(dict.fromkeys((x * small.shape[1] // columns, y * small.shape[0] // rows) for x, y in points)),
        stage,
        None if truth is None else shrink_mask(truth, small.shape[0], small.shape[1]),
        None if segmenter.refinement is None else segmenter.refinement.settings,
    )


def _read(segmenter: Segmenter, source: Source, mask: str | Path | None) -> tuple[Picture, Mask | None]:
    if isinstance(source, str) and is_sample(source):
        picture, truth = _read_sample(segmenter, source)
    else:
        picture, truth = segmenter.picture(source), None
    if mask is None:
        return picture, truth
    truth = read_mask(mask, segmenter.classes, max_pixels=segmenter.max_pixels)
    complaint = unequal(Path(str(source)), picture.shape[:2], Path(mask), truth.shape)
    if complaint:
        raise DataError(complaint)
    return picture, truth


def _read_sample(segmenter: Segmenter, source: str) -> tuple[Picture, Mask | None]:
    """Such as ``sample:materials/val-0003``."""
    name, _, picture = source.partition("/")
    dataset = open_dataset(name)
    samples = {sample.name: sample for samples in dataset.splits.values() for sample in samples}
    if picture not in samples:
        complaint = f"has no picture `{picture}`" if picture else "is a whole set, and one picture is wanted"
        raise DataError(f"`{name}` {complaint}; name one as in {name}/{min(samples)} … {name}/{max(samples)}.")
    known = segmenter.classes.names == dataset.classes.names
    sample = samples[picture]
    return segmenter.picture(sample.image()), sample.mask() if known else None
