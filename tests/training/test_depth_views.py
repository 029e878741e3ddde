"""What a depth network is trained on: views, and what is measured of them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from intarsia.data import Augmentation, generator_for, plan_view
from intarsia.data.depth import FileDepthSample, Measuring
from intarsia.data.depth.camera import Camera
from intarsia.errors import DataError
from intarsia.shapes import Window
from intarsia.training.depth_views import MeasuredSamples, in_view
from intarsia.training.loading import collate

SIZE = (40, 60)
WHOLE = (slice(0, SIZE[0]), slice(0, SIZE[1]))
PIXELS = Measuring("count", 500)
AUGMENTATION = Augmentation((32, 32), scale=(1.0, 1.5), rotation=10.0)


@dataclass(frozen=True)
class Slope:
    """A plane whose depth grows to the right; the sensor sees every third column of it, a tenth too far."""

    name: str = "slope"

    def shape(self) -> tuple[int, int]:
        return SIZE

    def image(self, window: Window | None = None) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)[window or WHOLE]

    def depth(self, window: Window | None = None) -> np.ndarray:
        return np.broadcast_to(np.linspace(1, 4, SIZE[1], dtype=np.float32), SIZE)[window or WHOLE]

    def measured(self, window: Window | None = None) -> np.ndarray | None:
        seen = np.arange(SIZE[1]) % 3 == 0
        return np.where(seen, self.depth() * np.float32(1.1), 0)[window or WHOLE]

    def camera(self) -> Camera | None:
        return None


def views(
    measuring: Measuring | None = PIXELS, seed: int = 3, augmentation: Augmentation = AUGMENTATION
) -> MeasuredSamples:
    return MeasuredSamples([Slope(), Slope()], augmentation, seed, measuring)


def seen(samples: MeasuredSamples, draw: tuple[int, int] = (0, 0)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    item = samples[draw]
    assert isinstance(item, tuple)
    image, (true, measured) = item
    return image.numpy(), true.numpy(), measured.numpy()


def test_a_view_is_a_pure_function_of_seed_epoch_and_index() -> None:
    draws = [(3, (0, 0)), (3, (0, 1)), (3, (1, 0)), (4, (0, 0))]
    once, again = ([seen(views(seed=seed), draw)[2] for seed, draw in draws] for _ in range(2))
    for one, same in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, same)
    for i in range(1, len(once)):
        assert (once[0] != once[i]).any()


def test_measuring_leaves_the_augmentation_alone() -> None:
    """The draws of a view are those of a training on masks, and of any other way to measure."""
    sample = Slope()
    view = plan_view(SIZE, AUGMENTATION, generator_for(3, 1, 0))
    expected, (depth,) = view.apply_to_depths(sample.image(view.window), sample.depth(view.window))
    for measuring in (Measuring("count", 500), Measuring("grid", 4), None):
        image, true, _ = seen(views(measuring), (1, 0))
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(true, depth)


def test_what_is_measured_is_true_and_as_dense_as_in_the_whole_image() -> None:
    plain = Augmentation((20, 30), scale=(1.0, 1.0))
    _, true, measured = seen(views(Measuring("count", 400), augmentation=plain))
    np.testing.assert_array_equal(measured[measured > 0], true[measured > 0])
    assert (measured > 0).sum() == 400 / 4


@pytest.mark.parametrize(
    ("measuring", "amount"),
    [
        (Measuring("count", 400), 100),
        (Measuring("confidence", 400), 100),
        (Measuring("lines", 16), 8),
        (Measuring("grid", 16), 16),
        (Measuring("count", 1), 1),
    ],
)
def test_half_of_the_rows_and_columns_has_a_share(measuring: Measuring, amount: int) -> None:
    view = plan_view(SIZE, Augmentation((20, 30), scale=(1.0, 1.0)), generator_for(0))
    assert in_view(measuring, view) == replace(measuring, amount=amount)


def test_a_sensors_own_measurements_go_through_the_same_view() -> None:
    _, true, measured = seen(views(None, augmentation=Augmentation((32, 32), scale=(1.5, 1.5))))
    told = measured > 0
    np.testing.assert_allclose(measured[told], true[told] * 1.1, rtol=1e-5)
    assert 0.2 < told.mean() < 0.5, "a third of the columns"


def test_files_that_cannot_be_read_are_handed_on_as_a_complaint(tmp_path: Path) -> None:
    sample = FileDepthSample("a", tmp_path / "a.png", tmp_path / "b.png")
    batch = collate([MeasuredSamples([sample], AUGMENTATION, 0, Measuring())[0, 0]])
    assert isinstance(batch, DataError)


def test_batches_hold_metres() -> None:
    samples = views()
    pictures, depths = collate([samples[0, 0], samples[0, 1]])  # pyright: ignore[reportGeneralTypeIssues]
    assert (pictures.shape, pictures.dtype) == ((2, 32, 32, 3), torch.uint8)
    assert (depths.shape, depths.dtype) == ((2, 2, 32, 32), torch.float32)
