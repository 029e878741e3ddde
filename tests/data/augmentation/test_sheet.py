import re

import numpy as np
import pytest
from views import plain

from intarsia.data import Augmentation, augment, augmented_sheet, generator_for, open_dataset, overlay
from intarsia.errors import ArgumentError


def test_a_sheet_shows_originals_above_their_views(discs):
    dataset = open_dataset(discs)
    samples = dataset.split("train")[:2]
    augmentation = plain((256, 256), scale=(0.5, 3.0), rotation=30.0)
    sheet = augmented_sheet(samples, augmentation, dataset.classes, count=3, seed=5)
    assert sheet.shape == (20 + 4 * 262 + 6, 4 * 262 + 6, 3)  # four rows, two columns a sample
    cells = [[sheet[26 + i * 262 :][:256, 6 + j * 262 :][:, :256] for j in range(4)] for i in range(4)]
    for i, sample in enumerate(samples):
        image, mask = sample.image(), sample.mask()
        magnified = np.repeat(np.repeat(image, 8, 0), 8, 1)  # not 6.4, but the corners are the same
        np.testing.assert_array_equal(cells[0][2 * i][0, 0], magnified[0, 0])
        for epoch in range(3):
            view = augment(image, mask, augmentation, generator_for(5, epoch, i))
            np.testing.assert_array_equal(cells[1 + epoch][2 * i], view[0])
            np.testing.assert_array_equal(cells[1 + epoch][2 * i + 1], overlay(*view, dataset.classes))


@pytest.mark.parametrize(("chosen", "count"), [(0, 2), (1, 0)])
def test_nothing_cannot_be_shown(discs, chosen, count):
    dataset = open_dataset(discs)
    with pytest.raises(ArgumentError, match=re.escape(f"at least one sample and a `count` (={count}) of at least 1")):
        augmented_sheet(dataset.split("train")[:chosen], Augmentation((32, 32)), dataset.classes, count)
