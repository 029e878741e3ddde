"""Resizing: Pillow's answer, bit for bit."""

import numpy as np
import pytest
from PIL import Image

from intarsia.data.augmentation.geometry import Axis, resized

FILTER = Image.Resampling.BILINEAR


@pytest.mark.parametrize("size", [(37, 50), (1, 90), (300, 7), (2, 2)])
@pytest.mark.parametrize("scale", [0.13, 0.5, 0.77, 1.0, 1.31, 2.0, 5.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_spans_of_a_magnified_image_are_pillows_boxes(size, scale, channels):
    image = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    axes = rows, columns = [Axis(n, max(1, round(n * scale)), 0, 0, 1) for n in size]
    for start, stop in ((0.0, 1.0), (0.3, 0.8)):
        spans = [
            (int(start * axis.scaled), max(int(start * axis.scaled) + 1, int(stop * axis.scaled))) for axis in axes
        ]
        found = resized(image, (0, 0), (rows, columns), tuple(spans), mirrored=False)
        (top, bottom), (left, right) = (
            [edge * axis.step for edge in span] for axis, span in zip(axes, spans, strict=True)
        )
        height, width = (last - first for first, last in spans)
        for channel in range(channels):
            # One axis after the other, because from Pillow 13 on the order depends on the sizes.
            picture = Image.fromarray(image[:, :, channel])
            picture = picture.resize((width, size[0]), FILTER, box=(left, 0, min(right, size[1]), size[0]))
            picture = picture.resize((width, height), FILTER, box=(0, top, width, min(bottom, size[0])))
            np.testing.assert_array_equal(found[:, :, channel], np.asarray(picture))
        mirrored = resized(image, (0, 0), (rows, columns), tuple(spans), mirrored=True)
        np.testing.assert_array_equal(mirrored, found[:, ::-1])


@pytest.mark.parametrize("channels", [2, 5])
def test_any_number_of_channels_is_resized_one_by_one(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    axes = Axis(20, 33, 0, 0, 1), Axis(30, 14, 0, 0, 1)
    found = resized(image, (0, 0), axes, ((3, 30), (1, 12)), mirrored=False)
    for channel in range(channels):
        one = resized(image[:, :, [channel]], (0, 0), axes, ((3, 30), (1, 12)), mirrored=False)
        np.testing.assert_array_equal(found[:, :, channel], one[:, :, 0])


def test_a_constant_stays_constant():
    image = np.full((50, 60, 3), 255, np.uint8)
    for scaled in range(1, 140, 7):
        found = resized(image, (0, 0), (Axis(50, scaled, 0, 0, 1),) * 2, ((0, scaled), (0, scaled)), mirrored=False)
        assert (found == 255).all()
