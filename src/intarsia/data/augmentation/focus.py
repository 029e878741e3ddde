"""A pixel that a view shall show: of a class that is drawn evenly, however few pixels it has."""

import numpy as np

from intarsia.data.augmentation.view import ignore_of
from intarsia.shapes import Mask


def draw_focus(mask: Mask, generator: np.random.Generator) -> tuple[int, int] | None:
    """The row and column of a pixel: one of the mask's classes is drawn evenly, and then one of its pixels.

    None if the mask holds no class.

    >>> mask = np.zeros((40, 50), np.uint8)
    >>> mask[7, 3] = 1
    >>> [draw_focus(mask, np.random.default_rng(seed)) == (7, 3) for seed in range(4)]
    [True, False, True, True]
    """
    counts = np.bincount(mask.ravel())
    classes = np.flatnonzero(counts)
    classes = classes[classes != ignore_of(mask)]
    if not classes.size:
        return None
    chosen = generator.choice(classes)
    pixel = np.flatnonzero(mask.ravel() == chosen)[generator.integers(counts[chosen])]
    row, column = np.unravel_index(pixel, mask.shape)
    return int(row), int(column)
