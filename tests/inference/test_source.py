"""What a segmenter takes for an image, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from standins import pointwise

from intarsia.data import PixelFormat, read_image
from intarsia.errors import ArgumentError
from intarsia.inference.source import picture_of

RGB = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)


def test_files_arrays_and_pil_images_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    for source in (path, str(path), RGB, Image.open(path), Image.fromarray(RGB).convert("RGBA")):
        np.testing.assert_array_equal(picture_of(source, PixelFormat(3)), RGB)
    assert pointwise().predict(Image.fromarray(RGB)).mask.shape == (4, 5)


def test_pil_images_are_turned_upright_as_files_are(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        assert picture_of(turned, PixelFormat(3)).shape == (5, 4, 3)
        np.testing.assert_array_equal(picture_of(turned, PixelFormat(3)), read_image(tmp_path / "turned.png"))


def test_arrays_of_any_strides_that_cannot_be_written_to() -> None:
    view = np.asarray(Image.fromarray(RGB))[::-1, ::2]
    assert not view.flags.writeable
    np.testing.assert_array_equal(pointwise().predict(view).mask, pointwise().predict(view.copy()).mask)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "HSV"])
def test_pil_images_of_any_8_bit_mode_become_rgb(mode: str) -> None:
    assert picture_of(Image.new(mode, (5, 4)), PixelFormat(3)).shape == (4, 5, 3)


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_pil_images_without_a_full_scale_are_refused(mode: str) -> None:
    with pytest.raises(ArgumentError, match=f"A PIL image of mode {mode} has no known full scale; pass its path"):
        picture_of(Image.new(mode, (5, 4)), PixelFormat(3))


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    "array", [RGB[:, :, 0], RGB[:, :, :2], RGB[:0], RGB.astype(np.uint16), RGB / 255, np.array("a.png")]
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match=r"must be \(H, W, 3\) uint8 RGB for this network, not .*; convert it"):
        pointwise().predict(array)


def test_the_number_of_channels_is_the_networks() -> None:
    five = np.zeros((4, 6, 5), np.uint8)
    assert pointwise(channels=5).predict(five).mask.shape == (4, 6)
    assert pointwise(channels=1).predict(five[:, :, :1]).mask.shape == (4, 6)
    assert pointwise(channels=1).predict(Image.new("L", (6, 4))).mask.shape == (4, 6)
    with pytest.raises(ArgumentError, match=r"must be \(H, W, 5\) uint8 for this network, not \(4, 5, 3\) uint8"):
        pointwise(channels=5).predict(RGB)


@pytest.mark.usefixtures("unchecked_shapes")
def test_grey_without_an_axis_of_channels_suits_a_network_of_one() -> None:
    assert picture_of(RGB[:, :, 0], PixelFormat(1)).shape == (4, 5, 1)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("thing", [None, 7, torch.zeros(3, 4, 5), [RGB]])
def test_what_is_no_image_is_refused(thing: object) -> None:
    with pytest.raises(ArgumentError, match=f"a path, a NumPy array or a PIL image, not {type(thing).__name__}; for a"):
        pointwise().predict(thing)


def test_deep_arrays_are_scaled_as_the_networks_files_were() -> None:
    deep = RGB.astype(np.uint16) * 16
    np.testing.assert_array_equal(picture_of(deep, PixelFormat(3, (0, 4080))), RGB)
