"""One border as several networks answer it, magnified until single pixels show."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray

from intarsia.ablations.mosaics import JUDGING
from intarsia.ablations.trials import Trial
from intarsia.data import Classes, contact_sheet, overlay
from intarsia.shapes import Mask, RGBImage, Window

SHOWN, MAGNIFIED = 56, 5  # pixels of the mosaic a side, and how large each is drawn
COLUMNS = 4
OPACITY = 0.5
TRUTH = (255, 255, 255)  # the true border


def border_picture(trials: Mapping[str, Trial]) -> RGBImage:
    """A part of a mosaic that nothing has seen, its truth, and each trial's mask by its title; true borders are white.

    The part is the one of the first such mosaic that holds the longest border, whatever was predicted there.
    """
    from intarsia.inference import load

    mosaics = next(iter(trials.values())).mosaics
    sample = mosaics.unseen(JUDGING, 1)[0]
    image, truth = sample.image(), sample.mask()
    window, classes = busiest(truth), mosaics.dataset().classes
    answers = [truth, *(load(trial.folder).predict(image).mask for trial in trials.values())]
    tiles = [magnified(image[window]), *(_tile(image, mask, truth, window, classes) for mask in answers)]
    named = list(zip(tiles, ["image", "truth", *trials], strict=True))
    rows = [named[start : start + COLUMNS] for start in range(0, len(named), COLUMNS)]
    sheets = [contact_sheet([[t for t, _ in row]], [title for _, title in row], SHOWN * MAGNIFIED) for row in rows]
    width = max(sheet.shape[1] for sheet in sheets)
    paper = [np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), mode="edge") for sheet in sheets]
    return np.concatenate(paper)


def busiest(truth: Mask, side: int = SHOWN) -> Window:
    """The square with the most pixels beside another class.

    >>> truth = np.zeros((90, 80), np.uint8)
    >>> truth[60:70, 50:60] = 1
    >>> rows, columns = busiest(truth, 20)
    >>> rows.start <= 59 and rows.stop >= 70 and columns.start <= 49 and columns.stop >= 60
    True
    """
    sums = np.pad(_borders(truth).sum(2, dtype=np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def magnified(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Each pixel as a square."""
    return np.repeat(np.repeat(pixels, MAGNIFIED, axis=0), MAGNIFIED, axis=1)


def _tile(image: RGBImage, mask: Mask, truth: Mask, window: Window, classes: Classes) -> UInt8[np.ndarray, "h w 3"]:
    """A mask over the image, with lines between the pixels where the true class changes."""
    tile = np.array(magnified(overlay(image, mask, classes, OPACITY)[window]))
    below, right = np.moveaxis(_borders(truth)[window], 2, 0)
    rows, columns = (np.arange(len(tile)) % MAGNIFIED == MAGNIFIED - 1 for _ in range(2))
    line = (magnified(below) & rows[:, None]) | (magnified(right) & columns[None, :])
    tile[line] = TRUTH
    return tile


def _borders(truth: Mask) -> Bool[np.ndarray, "H W 2"]:
    """Whether the pixel below, and the one to the right, is of another class."""
    edges = np.zeros((*truth.shape, 2), bool)
    edges[:-1, :, 0] = truth[1:] != truth[:-1]
    edges[:, :-1, 1] = truth[:, 1:] != truth[:, :-1]
    return edges
