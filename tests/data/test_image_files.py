import io
import struct
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from intarsia.data import IMAGE_EXTENSIONS, decoding, read_image
from intarsia.data.images import PixelFormat, ValueRange, image_shape, value_range
from intarsia.errors import DataError

RAMP = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3) * 4
GREY = RAMP[:, :, 0]


@pytest.mark.parametrize("extension", sorted(IMAGE_EXTENSIONS - {".npy"}))
def test_every_extension_is_read(tmp_path, extension):
    path = tmp_path / f"a{extension}"
    Image.new("RGB", (5, 4), (200, 100, 50)).save(path)
    image = read_image(path)
    assert (image.shape, image.dtype) == ((4, 5, 3), np.uint8)
    assert abs(image.astype(int) - (200, 100, 50)).max() <= 8  # JPEG and WebP are not exact
    assert image_shape(path) == (4, 5)
    assert image.flags.writeable


def _palette():
    return Image.fromarray(RAMP).quantize(20)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.fromarray(GREY), np.repeat(GREY[:, :, None], 3, 2)),
        (Image.fromarray(np.dstack([RAMP, GREY])), RAMP),  # alpha is dropped
        (Image.fromarray(np.dstack([GREY, GREY])), np.repeat(GREY[:, :, None], 3, 2)),
        (Image.fromarray(GREY > 100), np.repeat(255 * (GREY > 100)[:, :, None], 3, 2)),
        (_palette(), np.array(_palette().convert("RGB"))),
        (Image.fromarray(GREY.astype(np.uint16)), np.repeat(GREY[:, :, None], 3, 2)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), np.repeat(GREY[:, :, None], 3, 2)),
        (Image.fromarray(np.array([[0, 4095]], np.uint16)), [[[0] * 3, [255] * 3]]),
    ],
    ids=["grey", "rgba", "grey-alpha", "one-bit", "palette", "16-bit-small", "16-bit", "12-bit"],
)
def test_other_kinds_of_pixels_become_rgb(tmp_path, picture, expected):
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_palette_with_transparency_leaks_no_warning(tmp_path):
    _palette().save(tmp_path / "a.png", transparency=b"\x00\x80\xff")
    assert read_image(tmp_path / "a.png").shape == (4, 5, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_exif_orientation_is_respected(tmp_path, orientation, extension):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :8] = 255  # a bright corner, which tells all eight orientations' four corners apart
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{extension}"
    Image.fromarray(stored).save(path, exif=exif)
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    image = read_image(path)
    assert image.shape[:2] == image_shape(path) == ((16, 32) if orientation < 5 else (32, 16))
    assert image[-corner[0], -corner[1]].min() > 200
    assert (image[:, :, 0] > 128).sum() == 64


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "spoil",
    [_cut, lambda data: b"", lambda data: b"hello", lambda data: data[:20]],
    ids=["cut", "empty", "text", "head"],
)
@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_broken_files_are_one_sentence(tmp_path, spoil, extension):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format=Image.registered_extensions()[extension])
    path = tmp_path / f"a{extension}"
    path.write_bytes(spoil(buffer.getvalue()))
    with pytest.raises(
        DataError, match=rf"a\{extension}` is truncated or not an image \(.+\): replace it or leave it out"
    ):
        read_image(path)


def test_missing_file_and_folder_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"gone.png` cannot be read \(No such file or directory\): mend the path"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        image_shape(tmp_path)


def test_large_files_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    Image.new("L", (40, 60)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"a.png` has 60 × 40 pixels, more than 2,399: cut it .* \(--max-pixels\)"):
        read_image(tmp_path / "a.png", max_pixels=2399)


def test_pillows_own_limit_is_put_aside_and_back(tmp_path, monkeypatch):
    Image.new("L", (40, 60)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read_image(tmp_path / "a.png").shape == (60, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 51, 255]], np.float32), [0, 51, 255]),
        (np.array([[-1, 5, 9]], np.int32), [0, 153, 255]),
        (np.array([[0, 35000, 70000]], np.int32), [0, 128, 255]),
        (np.array([[np.nan, 0, 1]], np.float32), [0, 0, 255]),
        (np.array([[np.nan, np.inf]], np.float32), [0, 255]),
        (np.array([[0, 1023]], np.uint16), [0, 255]),
        (np.array([[0, 16383]], np.uint16), [0, 255]),
    ],
)
def test_other_depths_are_spread_over_8_bits(tmp_path, samples, expected):
    Image.fromarray(samples).save(tmp_path / "a.tif")
    np.save(tmp_path / "a.npy", samples)
    for name in ("a.tif", "a.npy"):
        assert read_image(tmp_path / name)[0, :, 1].tolist() == expected, name


def test_a_set_is_scaled_by_one_range(tmp_path):
    dark, bright = np.array([[0, 100]], np.uint16), np.array([[0, 65535]], np.uint16)
    Image.fromarray(dark).save(tmp_path / "a.png")
    pixels = PixelFormat(limits=(value_range([dark]) | value_range([bright])).limits())
    assert read_image(tmp_path / "a.png", pixels)[0, :, 0].tolist() == [0, 0]
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100]


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 40, 50), np.uint8), r"has the shape \(3, 40, 50\): put the bands last"),
        (np.zeros(5), "does not hold numbers of shape"),
        (np.zeros((4, 5), "complex64"), "does not hold numbers of shape"),
        (np.array([[{}]]), "is truncated or not an image"),
        (np.zeros((0, 4), np.uint8), "has 0 × 4 pixels"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path, array, sentence):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=f"a.npy` {sentence}"):
        read_image(tmp_path / "a.npy")


def test_other_bands_than_the_sets_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((40, 50, 4), np.uint8))
    with pytest.raises(DataError, match=r"a.npy` has 4 bands, but 3 are expected"):
        read_image(tmp_path / "a.npy", PixelFormat())
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png` has 1 bands, but 5 are expected"):
        read_image(tmp_path / "a.png", PixelFormat(channels=5))


def test_what_does_not_fit_into_memory_is_one_sentence(tmp_path, monkeypatch):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")

    def load(_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(DataError, match=r"a.png` does not fit into memory: cut it into tiles"):
        read_image(tmp_path / "a.png")


def test_programs_in_disguise_are_not_run(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png` is truncated or not an image"):
        read_image(tmp_path / "a.png")


def test_broken_metadata_leaks_no_warning_even_from_threads(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=read_image, args=(tmp_path / "a.jpg",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not seen


def test_a_header_that_promises_other_pixels_is_noticed(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((40, 50), np.uint8))
    monkeypatch.setattr(decoding, "_header", lambda path: decoding.Header((41, 50), 1, False, "npy"))
    with pytest.raises(DataError, match=r"a.npy` is truncated or not an image \(its header lies\)"):
        read_image(tmp_path / "a.npy")


def test_exif_data_behind_the_pixels_turn_neither_header_nor_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png", exif=exif)
    data = (tmp_path / "a.png").read_bytes()
    start = data.index(b"eXIf") - 4
    length = 12 + struct.unpack(">I", data[start : start + 4])[0]
    chunk, rest = data[start : start + length], data[:start] + data[start + length :]
    end = rest.index(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(rest[:end] + chunk + rest[end:])
    assert read_image(tmp_path / "a.png").shape[:2] == image_shape(tmp_path / "a.png") == (20, 40)


@pytest.mark.parametrize(
    ("least", "largest", "limits"), [(0, 1.02, (0, 1)), (0.5, 20.0, (0.5, 20.0)), (0, 40.0, (0, 255)), (-1, 1, (-1, 1))]
)
def test_floating_point_samples_never_turn_black(least, largest, limits):
    assert ValueRange(least, largest, True).limits() == limits
