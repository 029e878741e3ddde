"""A folder of deliberately odd files: every one is either used as it should be or named by `check`.

``python tests/odd_files.py FOLDER`` writes it, and prints the table that docs/odd_data.md shows.
"""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

ROWS, COLUMNS = 48, 64


@dataclass(frozen=True)
class Odd:
    """One odd pair: what is odd, how its image and mask are made, and what `check` calls it (None: all is well)."""

    name: str
    story: str
    image: Callable[[Path], object] | None
    mask: Callable[[Path], object] | None
    finding: str | None = None
    mask_extension: str = ".png"
    split: str = "train"

    @property
    def stem(self) -> str:
        return Path(self.name).stem


def _mask(seed: int) -> np.ndarray:
    """Four classes in discs and bands."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    generator = np.random.default_rng(seed)
    mask = (columns > generator.integers(20, 44)).astype(np.uint8)
    for value in (2, 3):
        row, column = generator.integers(10, ROWS - 10), generator.integers(10, COLUMNS - 10)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < 90] = value
    return mask


def _picture(seed: int) -> np.ndarray:
    """A picture whose edges are the mask's."""
    noise = np.random.default_rng(seed + 1000).integers(0, 30, (ROWS, COLUMNS, 3))
    colours = np.array([(40, 60, 90), (200, 180, 120), (90, 200, 80), (220, 60, 160)])
    return (colours[_mask(seed)] + noise).astype(np.uint8)


def _saved(change: Callable[[np.ndarray], object] = lambda rgb: rgb, **options: object) -> Callable[[Path], object]:
    """Pillow's way of writing the picture, changed."""

    def write(path: Path) -> None:
        changed = change(_picture(_seed(path)))
        picture = changed if isinstance(changed, Image.Image) else Image.fromarray(changed)
        picture.save(path, **options)

    return write


def _tiff(change: Callable[[np.ndarray], np.ndarray], **options: object) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, change(_picture(_seed(path))), **options)


def _seed(path: Path) -> int:
    return zlib.crc32(path.stem.encode()) % 10_000


def _grey(rgb: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(rgb).convert("L"))


def _cut(share: float, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        _saved(**options)(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return write


def _exif(orientation: int) -> Callable[[Path], object]:
    """Stored turned, so that it is upright as its EXIF data say."""

    def write(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
        Image.fromarray(_picture(_seed(path))).transpose(back).save(path, exif=exif)

    return write


def _bomb(path: Path) -> None:
    """A PNG of 60 bytes that claims 3.6 billion pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data)


def _pages(path: Path) -> None:
    first = Image.fromarray(_picture(_seed(path)))
    first.save(path, save_all=True, append_images=[first.transpose(Image.Transpose.ROTATE_180)] * 2)


def _with_nan(rgb: np.ndarray) -> np.ndarray:
    grey = _grey(rgb).astype(np.float32) / 255
    grey[:3, :3] = np.nan
    return grey


def _broken_exif(path: Path) -> None:
    Image.fromarray(_picture(_seed(path))).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")


def _garbage_behind(path: Path) -> None:
    _saved(quality=90)(path)
    path.write_bytes(path.read_bytes() + b"garbage" * 100)


def _other_format(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_picture(_seed(path))).save(buffer, "JPEG", quality=95)
    path.write_bytes(buffer.getvalue())


def _written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    return lambda path: np.save(path, change(_picture(_seed(path))))


def _index(change: Callable[[np.ndarray], np.ndarray] = lambda mask: mask) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(change(_mask(_seed(path)))).save(path)


def _palette_mask(path: Path) -> None:
    picture = Image.fromarray(_mask(_seed(path)))
    picture.putpalette([40, 60, 90, 200, 180, 120, 90, 200, 80, 220, 60, 160])
    picture.save(path)


def _with(value: int, dtype: type = np.uint8) -> Callable[[np.ndarray], np.ndarray]:
    def change(mask: np.ndarray) -> np.ndarray:
        mask = mask.astype(dtype)
        mask[:6, :6] = value
        return mask

    return change


def _interpolated(mask: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(mask * 60).resize((40, 30), Image.Resampling.BILINEAR).resize((COLUMNS, ROWS)))


def _in_colours(mask: np.ndarray) -> np.ndarray:
    return np.array([(40, 60, 90), (200, 180, 120), (90, 200, 80), (220, 60, 160)], np.uint8)[mask]


def _link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _same_as(name: str, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        Image.fromarray(_picture(_seed(Path(name)))).save(path, **options)

    return write


def _mask_of(name: str) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(_mask(_seed(Path(name)))).save(path)


_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

ODD = [
    # images that are read as they should be
    Odd("plain.jpg", "JPEG", _saved(quality=95), _index()),
    Odd("progressive.jpg", "progressive JPEG", _saved(quality=95, progressive=True), _index()),
    Odd("grey.jpg", "grey JPEG", _saved(_grey, quality=95), _index()),
    Odd("cmyk.jpg", "CMYK JPEG", _saved(lambda rgb: Image.fromarray(rgb).convert("CMYK"), quality=95), _index()),
    Odd("turned3.jpg", "EXIF orientation 3", _exif(3), _index()),
    Odd("turned6.jpg", "EXIF orientation 6", _exif(6), _index()),
    Odd("turned8.png", "EXIF orientation 8 in a PNG", _exif(8), _index()),
    Odd("exif.jpg", "broken EXIF data", _broken_exif, _index()),
    Odd("behind.jpg", "garbage behind the picture", _garbage_behind, _index()),
    Odd("UPPER.JPG", "upper-case extension", _saved(quality=95), _index()),
    Odd("plain.in.name.png", "dots in the name", _saved(), _index()),
    Odd("with spaces.png", "spaces in the name", _saved(), _index()),
    Odd("größe.png", "letters beyond ASCII", _saved(), _index()),
    Odd("jpeg.png", "a JPEG called .png", _other_format, _index()),
    Odd("greyscale.png", "grey PNG", _saved(_grey), _index()),
    Odd("grey_alpha.png", "grey with alpha", _saved(lambda rgb: np.dstack([_grey(rgb), _grey(rgb)])), _index()),
    Odd("rgba.png", "RGBA", _saved(lambda rgb: np.dstack([rgb, rgb[:, :, 0]])), _index()),
    Odd("palette.png", "palette", _saved(lambda rgb: Image.fromarray(rgb).quantize(32)), _index()),
    Odd(
        "transparent.png",
        "palette with transparency",
        _saved(lambda rgb: Image.fromarray(rgb).quantize(32), transparency=b"\x00\x80\xff"),
        _index(),
    ),
    Odd("bit.png", "one bit", _saved(lambda rgb: _grey(rgb) > 120), _index()),
    Odd("profile.png", "colour profile", _saved(icc_profile=_PROFILE), _index()),
    Odd("deep.png", "16-bit grey PNG", _saved(lambda rgb: _grey(rgb).astype(np.uint16) * 257), _index()),
    Odd("tiff.tif", "TIFF", _saved(), _index(), split="val"),
    Odd("lzw.tif", "TIFF, LZW", _saved(compression="tiff_lzw"), _index()),
    Odd("jpeg_inside.tif", "TIFF, JPEG inside", _saved(compression="jpeg"), _index(), split="val"),
    Odd("tiled.tif", "tiled TIFF", _tiff(lambda rgb: rgb, photometric="rgb", tile=(16, 16)), _index()),
    Odd(
        "planar.tif",
        "TIFF, planes apart",
        _tiff(lambda rgb: np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"),
        _index(),
    ),
    Odd(
        "deep_colours.tif",
        "16-bit RGB TIFF",
        _tiff(lambda rgb: rgb.astype(np.uint16) * 257, photometric="rgb"),
        _index(),
        split="val",
    ),
    Odd("web.webp", "WebP", _saved(quality=95), _index(), split="val"),
    Odd(
        "lossless.webp", "WebP with alpha", _saved(lambda rgb: np.dstack([rgb, rgb[:, :, 0]]), lossless=True), _index()
    ),
    Odd("bitmap.bmp", "BMP", _saved(), _index(), split="val"),
    Odd("array.npy", "NumPy array", _array(lambda rgb: rgb), _index()),
    Odd("one_pixel_high.png", "one row", _saved(lambda rgb: rgb[:1]), _index(lambda mask: mask[:1])),
    Odd("one_pixel.png", "one pixel", _saved(lambda rgb: rgb[:1, :1]), _index(lambda mask: mask[:1, :1])),
    Odd("link.png", "symbolic link", _link_to("greyscale.png"), _mask_of("greyscale.png"), "twice"),
    # masks that are read as they should be
    Odd("mask_palette.png", "mask with a palette", _saved(), _palette_mask),
    Odd("mask_16.png", "16-bit mask, 65535 is ignore", _saved(), _index(_with(65535, np.uint16))),
    Odd("mask_255.png", "255 is ignore", _saved(), _index(_with(255))),
    Odd("mask_bit.png", "one-bit mask", _saved(), _index(lambda mask: mask > 0)),
    Odd(
        "mask_array.png",
        "mask as NumPy array",
        _saved(),
        lambda path: np.save(path, _mask(_seed(path))),
        mask_extension=".npy",
    ),
    Odd(
        "mask_float.png",
        "whole numbers stored as fractions",
        _saved(),
        lambda path: tifffile.imwrite(path, _mask(_seed(path)).astype(np.float32)),
        mask_extension=".tif",
    ),
    # strange: a warning
    Odd("pages.tif", "several pages", _pages, _index(), "pages"),
    Odd("nan.tif", "fractions, some no numbers", _tiff(_with_nan), _index(), "not-a-number"),
    Odd("ignored.png", "nothing but ignore", _saved(), _index(lambda mask: np.full_like(mask, 255)), "empty"),
    Odd("moved.png", "mask shifted by six pixels", _saved(), _index(lambda mask: np.roll(mask, 6, 1)), "shifted"),
    Odd(
        "again.png",
        "the same image in train and val",
        _same_as("with spaces.png"),
        _mask_of("with spaces.png"),
        "leak",
        split="val",
    ),
    Odd(
        "nearly.jpg",
        "an image of train saved again for val",
        _same_as("UPPER.JPG", quality=80),
        _mask_of("UPPER.JPG"),
        "alike",
        split="val",
    ),
    # files that cannot be used: an error
    Odd("cut.jpg", "truncated JPEG", _cut(0.5, quality=95), _index(), "unreadable"),
    Odd("cut2.png", "truncated PNG", _cut(0.5), _index(), "unreadable"),
    Odd("cut3.tif", "truncated TIFF", _cut(0.5), _index(), "unreadable"),
    Odd("cut4.webp", "truncated WebP", _cut(0.5), _index(), "unreadable"),
    Odd("empty.png", "no bytes", _written(b""), _index(), "unreadable"),
    Odd("page.jpg", "a web page called .jpg", _written(b"<html>404</html>"), _index(), "unreadable"),
    Odd("bomb.png", "3.6 billion pixels in 60 bytes", _bomb, _index(), "unreadable"),
    Odd("nowhere.png", "a link to nothing", _link_to("gone.png"), _index(), "unreadable"),
    Odd("planes_first.npy", "bands first", _array(lambda rgb: np.moveaxis(rgb, 2, 0)), _index(), "unreadable"),
    Odd("pickle.npy", "Python objects", lambda path: np.save(path, np.array([{}])), _index(), "unreadable"),
    Odd(
        "five.tif",
        "five bands among RGB",
        _tiff(lambda rgb: np.dstack([rgb, rgb[:, :, :2]]), photometric="minisblack", planarconfig="contig"),
        _index(),
        "bands",
    ),
    Odd("alone.jpg", "an image without a mask", _saved(quality=95), None, "unpaired"),
    Odd("unseen.png", "a mask without an image", None, _index(), "unpaired"),
    Odd("blurred.jpg", "a mask saved as JPEG", _saved(quality=95), _index(), "unpaired", mask_extension=".jpg"),
    Odd("mask_cut.png", "truncated mask", _saved(), _cut(0.4), "unreadable"),
    Odd("mask_size.png", "mask of another size", _saved(), _index(lambda mask: mask[:, :-1]), "size"),
    Odd("mask_colour.png", "colours among masks of indices", _saved(), _index(_in_colours), "encoding"),
    Odd("mask_photo.png", "a photograph as mask", _saved(), _saved(), "photograph"),
    Odd(
        "mask_fraction.png",
        "fractions in a mask",
        _saved(),
        lambda path: tifffile.imwrite(path, np.full((ROWS, COLUMNS), 0.5, np.float32)),
        "unreadable",
        mask_extension=".tif",
    ),
    Odd("mask_mixed.png", "an interpolated mask", _saved(), _index(_interpolated), "interpolated"),
    Odd("mask_stray.png", "a value that is no class", _saved(), _index(_with(77)), "class"),
    Odd(
        "mask_negative.png",
        "a negative value",
        _saved(),
        lambda path: tifffile.imwrite(path, _with(-1, np.int32)(_mask(_seed(path)))),
        "class",
        mask_extension=".tif",
    ),
]


def write_odd_folder(root: Path) -> None:
    """Write all of them, and a classes.json with four classes."""
    for odd in ODD:
        for kind, make, name in (("images", odd.image, odd.name), ("masks", odd.mask, _mask_file(odd))):
            if make is not None:
                path = root / kind / odd.split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)
    (root / "classes.json").write_text('[{"name": "sky"}, {"name": "sand"}, {"name": "leaf"}, {"name": "rose"}]')


def _mask_file(odd: Odd) -> str:
    return odd.stem + odd.mask_extension


if __name__ == "__main__":
    write_odd_folder(Path(sys.argv[1]))
    for odd in ODD:
        print(f"| `{odd.name}` | {odd.story} | {odd.finding or 'used'} |")
