import io
import re
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from intarsia.data import IMAGE_EXTENSIONS, read_image
from intarsia.data.images import image_size
from intarsia.errors import DataError

RAMP = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3) * 4
GREY = RAMP[:, :, 0]


@pytest.mark.parametrize("extension", sorted(IMAGE_EXTENSIONS))
def test_every_extension_is_read(tmp_path, extension):
    path = tmp_path / f"a{extension}"
    Image.new("RGB", (5, 4), (200, 100, 50)).save(path)
    image = read_image(path)
    assert (image.shape, image.dtype) == ((4, 5, 3), np.uint8)
    assert abs(image.astype(int) - (200, 100, 50)).max() <= 8  # JPEG and WebP are not exact
    assert image_size(path) == (4, 5)
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
    assert image.shape[:2] == image_size(path) == ((16, 32) if orientation < 5 else (32, 16))
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
        image_size(tmp_path)


@pytest.mark.parametrize("side", [40, 60])  # Pillow warns above its limit, and raises above twice of it
def test_pillows_limit_is_kept_and_explained(tmp_path, monkeypatch, side):
    Image.new("L", (side, side)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(
        DataError, match=r"a.png` has more pixels than Pillow's limit of 1000 allows: cut it into tiles"
    ):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.ones((2, 2), np.float32), "holds fractions"),
        (np.array([[-1, 5]], np.int32), "holds values from -1 to 5"),
        (np.array([[0, 70000]], np.int32), "holds values from 0 to 70000"),
    ],
)
def test_pixels_beyond_16_bits_are_refused(tmp_path, pixels, sentence):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=f"a.tif` {re.escape(sentence)}.*: save it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


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
