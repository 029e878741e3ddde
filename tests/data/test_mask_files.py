import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from intarsia.data import Classes, FileSample, read_mask, write_mask
from intarsia.errors import ArgumentError, DataError

THREE = Classes.numbered(3)
BINARY = Classes(("background", "crack"), ((0, 0, 0), (255, 0, 0)), "binary")
COLOURS = Classes(("b", "a"), ((200, 0, 0), (10, 20, 30)), "colour")


def _indexed(values, colours=((9, 9, 9), (200, 0, 0), (0, 200, 0))):
    picture = Image.fromarray(np.asarray(values, np.uint8))
    picture.putpalette(np.asarray(colours, np.uint8).tobytes())
    return picture


def _plain(values, dtype=np.uint8):
    return Image.fromarray(np.asarray(values, dtype))


@pytest.mark.parametrize(
    ("classes", "picture", "expected"),
    [
        (THREE, _plain([[0, 1, 2, 255]]), [[0, 1, 2, 255]]),
        (THREE, _indexed([[0, 1, 2]]), [[0, 1, 2]]),  # never the palette's colours
        (THREE, _plain([[0, 2, 255, 65535]], np.uint16), [[0, 2, 255, 255]]),
        (THREE, _plain([[0, 1]], bool), [[0, 1]]),
        (Classes.numbered(300), _plain([[0, 255, 299, 65535]], np.uint16), [[0, 255, 299, 65535]]),
        (Classes.numbered(255), _plain([[0, 254, 255]]), [[0, 254, 65535]]),  # 255 is no class there
        (Classes.numbered(300), _plain([[0, 254, 255]]), [[0, 254, 255]]),
        (BINARY, _plain([[0, 255]]), [[0, 1]]),
        (BINARY, _plain([[0, 1]], bool), [[0, 1]]),
        (COLOURS, _plain([[[10, 20, 30], [200, 0, 0]]]), [[1, 0]]),
        (COLOURS, _plain([[[10, 20, 30, 0], [200, 0, 0, 255]]]), [[1, 0]]),
    ],
)
def test_masks_hold_indices_whatever_the_file_holds(tmp_path, classes, picture, expected):
    picture.save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png", classes)
    assert mask.dtype == classes.dtype
    assert mask.tolist() == expected


@pytest.mark.parametrize(
    ("classes", "picture", "sentence"),
    [
        (
            THREE,
            _plain([[0, 7]]),
            "holds the value 7, but there are 3 classes, 0 … 2 (and 255: ignore): correct the mask",
        ),
        (THREE, _plain([[0, 300]], np.uint16), "holds the value 300, but there are 3 classes"),
        (THREE, _plain([[[0, 0, 0]]]), "holds RGB colours, but its classes are spelled as `index`"),
        (BINARY, _plain([[[0, 0, 0]]]), "holds RGB colours, but its classes are spelled as `binary`"),
        (BINARY, _plain([[0, 1]]), "holds the value 1, but a binary mask holds 0 and 255 only"),
        (COLOURS, _plain([[[1, 2, 3]]]), "holds the colour (1, 2, 3), which is none of the 2 classes' colours"),
        (COLOURS, _plain([[[255, 255, 255]]]), "holds the colour (255, 255, 255)"),
        (COLOURS, _plain([[0, 1]]), "holds indices, but its classes are spelled as RGB colours"),
    ],
)
def test_what_is_no_class_is_refused_by_name(tmp_path, classes, picture, sentence):
    picture.save(tmp_path / "a.png")
    with pytest.raises(DataError, match=re.escape("a.png` " + sentence)):
        read_mask(tmp_path / "a.png", classes)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [(np.full((2, 2), 0.5, np.float32), "holds fractions"), (np.array([[-1, 1]], np.int32), "holds the value -1")],
)
def test_fractions_and_negative_values_are_refused(tmp_path, pixels, sentence):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=f"a.tif` {sentence}"):
        read_mask(tmp_path / "a.tif", THREE)


@pytest.mark.parametrize("count", [2, 21, 254, 255, 300, 1000])
def test_written_masks_are_read_unchanged(tmp_path, count):
    classes = Classes.numbered(count)
    mask = np.random.default_rng(0).integers(0, count, (7, 9)).astype(classes.dtype)
    mask[0, 0], mask[0, 1] = classes.ignore, count - 1
    write_mask(tmp_path / "a.png", mask, classes)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", classes), mask)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_written_masks_carry_the_palette_and_any_integer_type_will_do(tmp_path):
    write_mask(tmp_path / "a.png", np.array([[0, 1, 255]], np.uint16), BINARY)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        assert np.array(picture.convert("RGB")).tolist() == [[[0, 0, 0], [255, 0, 0], [232, 232, 232]]]


@pytest.mark.parametrize("value", [3, 254, -1])
def test_a_mask_with_a_stray_value_is_not_written(tmp_path, value):
    with pytest.raises(
        ArgumentError, match=rf"a.png` holds {value}, but there are 3 classes \(0 … 2\) and ignore \(255\)"
    ):
        write_mask(tmp_path / "a.png", np.array([[0, value]]), THREE)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_made(tmp_path):
    write_mask(tmp_path / "x/y/a.png", np.array([[1]], np.uint8), THREE)
    assert read_mask(tmp_path / "x/y/a.png", THREE).tolist() == [[1]]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_mask(tmp_path / "a.png", np.array([[1]], np.uint8), THREE)

    def save(self, path, **_):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(OSError, match="disk full"):
        write_mask(tmp_path / "a.png", np.array([[2]], np.uint8), THREE)
    assert read_mask(tmp_path / "a.png", THREE).tolist() == [[1]]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_sizes_must_agree_and_both_files_are_named(put):
    image, mask = put("images/a.jpg", np.zeros((4, 6, 3))), put("masks/a.png", np.zeros((6, 4)))
    sentence = r"images/a.jpg` has 4 rows × 6 columns, but its mask `.*masks/a.png` has 6 × 4: they must be equal"
    with pytest.raises(DataError, match=sentence):
        FileSample("a", image, mask, THREE).mask()


def test_a_photograph_turned_by_exif_agrees_with_its_upright_mask(put, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    sample = FileSample("a", tmp_path / "a.jpg", put("masks/a.png", np.zeros((6, 4))), THREE)
    assert sample.mask().shape == sample.image().shape[:2] == (6, 4)


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "tiled.tif", "float.tif", "a.png"])
def test_masks_in_other_files_and_windows_of_them(tmp_path, name):
    mask = np.random.default_rng(0).integers(0, 3, (70, 90)).astype(np.uint8)
    if name == "a.npy":
        np.save(tmp_path / name, mask.astype(np.int64))
    elif name == "tiled.tif":
        tifffile.imwrite(tmp_path / name, mask, tile=(16, 32), compression="zlib")
    elif name == "float.tif":
        Image.fromarray(mask.astype(np.float32)).save(tmp_path / name)
    else:
        Image.fromarray(mask).save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name, THREE), mask)
    window = slice(15, 50), slice(31, 90)
    np.testing.assert_array_equal(read_mask(tmp_path / name, THREE, window), mask[window])


def test_masks_of_many_bands_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((40, 40, 5), np.uint8))
    with pytest.raises(DataError, match=r"a.npy` has 5 bands of uint8, but a mask has one of class indices, or RGB"):
        read_mask(tmp_path / "a.npy", THREE)
