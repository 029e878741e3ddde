"""TIFF files beyond Pillow: any bands, tiles, windows, orientations, compressions."""

import struct

import numpy as np
import pytest
import tifffile

from intarsia.data import read_image
from intarsia.data.images import PixelFormat, image_shape
from intarsia.errors import DataError

LAYOUTS = [
    {"planarconfig": "contig"},
    {"planarconfig": "separate"},
    {"planarconfig": "contig", "tile": (16, 32)},
    {"planarconfig": "separate", "tile": (32, 16), "compression": "zlib"},
    {"planarconfig": "contig", "rowsperstrip": 7},
    {"planarconfig": "contig", "compression": "zlib", "predictor": True, "rowsperstrip": 16},
]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [2, 4, 7])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiff_with_any_bands_is_read_whole_and_in_windows(tmp_path, layout, bands, dtype):
    if dtype == np.float32:  # their predictor is another one, for which tifffile needs imagecodecs
        layout = {name: value for name, value in layout.items() if name != "predictor"}
    stored = (np.random.default_rng(0).random((50, 70, bands)) * 255).astype(dtype)
    planes = np.moveaxis(stored, 2, 0) if layout["planarconfig"] == "separate" else stored
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="minisblack", **layout)
    pixels = PixelFormat(channels=bands, limits=(0, 255))
    whole = read_image(tmp_path / "a.tif", pixels)
    np.testing.assert_array_equal(whole, np.rint(stored).astype(np.uint8))
    window = slice(15, 33), slice(0, 70)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", pixels, window), whole[window])


def test_a_window_of_a_tiled_file_decodes_its_tiles_only(tmp_path, monkeypatch):
    stored = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", tile=(16, 16))
    decoded = []
    plain = tifffile.TiffPage.decode
    monkeypatch.setattr(
        tifffile.TiffPage,
        "decode",
        property(lambda page: lambda data, i: decoded.append(i) or plain.func(page)(data, i)),
    )
    window = slice(17, 40), slice(100, 112)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", window=window), stored[window])
    assert len(decoded) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_tiff_of_many_bands_agrees_with_pillows_way(tmp_path, orientation):
    stored = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    tag = [(0x0112, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "rgb.tif", stored, photometric="rgb", extratags=tag)
    five = np.dstack([stored, stored[:, :, :2]])
    tifffile.imwrite(tmp_path / "five.tif", five, photometric="minisblack", planarconfig="contig", extratags=tag)
    rgb, window = read_image(tmp_path / "rgb.tif"), (slice(1, 4), slice(2, 8))
    np.testing.assert_array_equal(read_image(tmp_path / "five.tif")[:, :, :3], rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "five.tif", window=window)[:, :, :3], rgb[window])
    assert image_shape(tmp_path / "five.tif") == image_shape(tmp_path / "rgb.tif") == rgb.shape[:2]


def test_unusual_compression_names_the_package(tmp_path):
    stored = np.zeros((8, 8, 5), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig="contig")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    place = data.index(struct.pack("<HHI", 259, 3, 1))  # the tag of the compression: a short, one of it
    data[place + 8 : place + 10] = struct.pack("<H", 5)  # LZW
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(DataError, match="is read with the package `imagecodecs` only: pip install imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_alpha_is_left_out_wherever_it_stands(tmp_path):
    stored = np.random.default_rng(0).integers(0, 255, (20, 30, 5), np.uint8)
    for extra, kept in ((["unassalpha", "unspecified"], [0, 1, 2, 4]), (["unspecified", "assocalpha"], [0, 1, 2, 3])):
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=extra)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), stored[:, :, kept])
