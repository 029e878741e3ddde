"""Augmented samples: only the window of a view is read."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from intarsia.data import Augmentation, augment, generator_for
from intarsia.errors import DataError, IntarsiaError
from intarsia.shapes import Mask, Picture, Window
from intarsia.training.loading import AugmentedSamples, collate


@dataclass
class Watched:
    """A sample in memory that writes down what is read of it."""

    channels: int = 3
    name: str = "watched"
    windows: list[Window | None] = field(default_factory=list)

    def shape(self) -> tuple[int, int]:
        return 300, 400

    def image(self, window: Window | None = None) -> Picture:
        self.windows.append(window)
        image = np.random.default_rng(0).integers(0, 256, (300, 400, self.channels), dtype=np.uint8)
        return image if window is None else image[window]

    def mask(self, window: Window | None = None) -> Mask:
        self.windows.append(window)
        mask = np.random.default_rng(1).integers(0, 5, (300, 400)).astype(np.uint8)
        return mask if window is None else mask[window]


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("strengths", [{}, {"rotation": 20.0, "elastic": 1.5, "blur": (0.0, 1.0)}])
def test_a_window_is_read_and_the_view_is_that_of_the_whole(channels: int, strengths: dict) -> None:
    sample = Watched(channels)
    augmentation = Augmentation((32, 24), **strengths)
    image, mask = AugmentedSamples([sample], augmentation, seed=3)[2, 0]
    assert len(sample.windows) == 2
    assert sample.windows[0] == sample.windows[1]
    assert all(window and window[0].stop - window[0].start < 150 for window in sample.windows)
    expected = augment(sample.image(), sample.mask(), augmentation, generator_for(3, 2, 0))
    np.testing.assert_array_equal(image.numpy(), expected[0])
    np.testing.assert_array_equal(mask.numpy(), expected[1])


class Broken(Watched):
    """A sample that cannot be read."""

    def mask(self, window: Window | None = None) -> Mask:
        raise DataError("`broken.png` is truncated.")


def test_the_first_complaint_of_a_batch_is_handed_on() -> None:
    items = [AugmentedSamples([sample], Augmentation((16, 16)), 0)[0, 0] for sample in (Watched(), Broken())]
    complaint = collate(items)
    assert isinstance(complaint, IntarsiaError)
    assert str(complaint) == "`broken.png` is truncated."
