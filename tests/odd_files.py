"""A folder of deliberately odd files: every one is either used as it should be or named by `check`.

``python tests/odd_files.py FOLDER`` writes it, and prints the table that docs/odd_data.md shows.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import odd_pictures as make
import tifffile
from PIL import Image


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


ODD = [
    # images that are read as they should be
    Odd("plain.jpg", "JPEG", make.saved(quality=95), make.index()),
    Odd("progressive.jpg", "progressive JPEG", make.saved(quality=95, progressive=True), make.index()),
    Odd("grey.jpg", "grey JPEG", make.saved(make.greyed, quality=95), make.index()),
    Odd(
        "cmyk.jpg", "CMYK JPEG", make.saved(lambda rgb: Image.fromarray(rgb).convert("CMYK"), quality=95), make.index()
    ),
    Odd("turned3.jpg", "EXIF orientation 3", make.exif(3), make.index()),
    Odd("turned6.jpg", "EXIF orientation 6", make.exif(6), make.index()),
    Odd("turned8.png", "EXIF orientation 8 in a PNG", make.exif(8), make.index()),
    Odd("exif.jpg", "broken EXIF data", make.broken_exif, make.index()),
    Odd("behind.jpg", "garbage behind the picture", make.garbage_behind, make.index()),
    Odd("UPPER.JPG", "upper-case extension", make.saved(quality=95), make.index()),
    Odd("plain.in.name.png", "dots in the name", make.saved(), make.index()),
    Odd("with spaces.png", "spaces in the name", make.saved(), make.index()),
    Odd("größe.png", "letters beyond ASCII", make.saved(), make.index()),
    Odd("jpeg.png", "a JPEG called .png", make.other_format, make.index()),
    Odd("greyscale.png", "grey PNG", make.saved(make.greyed), make.index()),
    Odd(
        "grey_alpha.png",
        "grey with alpha",
        make.saved(lambda rgb: np.dstack([make.greyed(rgb), make.greyed(rgb)])),
        make.index(),
    ),
    Odd("rgba.png", "RGBA", make.saved(lambda rgb: np.dstack([rgb, rgb[:, :, 0]])), make.index()),
    Odd("palette.png", "palette", make.saved(lambda rgb: Image.fromarray(rgb).quantize(32)), make.index()),
    Odd(
        "transparent.png",
        "palette with transparency",
        make.saved(lambda rgb: Image.fromarray(rgb).quantize(32), transparency=b"\x00\x80\xff"),
        make.index(),
    ),
    Odd("bit.png", "one bit", make.saved(lambda rgb: make.greyed(rgb) > 120), make.index()),
    Odd("profile.png", "colour profile", make.saved(icc_profile=make.PROFILE), make.index()),
    Odd("deep.png", "16-bit grey PNG", make.saved(lambda rgb: make.greyed(rgb).astype(np.uint16) * 257), make.index()),
    Odd("tiff.tif", "TIFF", make.saved(), make.index(), split="val"),
    Odd("lzw.tif", "TIFF, LZW", make.saved(compression="tiff_lzw"), make.index()),
    Odd("jpeg_inside.tif", "TIFF, JPEG inside", make.saved(compression="jpeg"), make.index(), split="val"),
    Odd("tiled.tif", "tiled TIFF", make.tiff(lambda rgb: rgb, photometric="rgb", tile=(16, 16)), make.index()),
    Odd(
        "planar.tif",
        "TIFF, planes apart",
        make.tiff(lambda rgb: np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"),
        make.index(),
    ),
    Odd(
        "deep_colours.tif",
        "16-bit RGB TIFF",
        make.tiff(lambda rgb: rgb.astype(np.uint16) * 257, photometric="rgb"),
        make.index(),
        split="val",
    ),
    Odd("web.webp", "WebP", make.saved(quality=95), make.index(), split="val"),
    Odd(
        "lossless.webp",
        "WebP with alpha",
        make.saved(lambda rgb: np.dstack([rgb, rgb[:, :, 0]]), lossless=True),
        make.index(),
    ),
    Odd("bitmap.bmp", "BMP", make.saved(), make.index(), split="val"),
    Odd("array.npy", "NumPy array", make.array(lambda rgb: rgb), make.index()),
    Odd("one_pixel_high.png", "one row", make.saved(lambda rgb: rgb[:1]), make.index(lambda mask: mask[:1])),
    Odd("one_pixel.png", "one pixel", make.saved(lambda rgb: rgb[:1, :1]), make.index(lambda mask: mask[:1, :1])),
    Odd("link.png", "symbolic link", make.link_to("greyscale.png"), make.mask_of("greyscale.png"), "twice"),
    # masks that are read as they should be
    Odd("mask_palette.png", "mask with a palette", make.saved(), make.palette_mask),
    Odd("mask_16.png", "16-bit mask, 65535 is ignore", make.saved(), make.index(make.with_value(65535, np.uint16))),
    Odd("mask_255.png", "255 is ignore", make.saved(), make.index(make.with_value(255))),
    Odd("mask_bit.png", "one-bit mask", make.saved(), make.index(lambda mask: mask > 0)),
    Odd(
        "mask_array.png",
        "mask as NumPy array",
        make.saved(),
        lambda path: np.save(path, make.mask_from(make.seed(path))),
        mask_extension=".npy",
    ),
    Odd(
        "mask_float.png",
        "whole numbers stored as fractions",
        make.saved(),
        lambda path: tifffile.imwrite(path, make.mask_from(make.seed(path)).astype(np.float32)),
        mask_extension=".tif",
    ),
    # strange: a warning
    Odd("pages.tif", "several pages", make.pages, make.index(), "pages"),
    Odd("nan.tif", "fractions, some no numbers", make.tiff(make.with_nan), make.index(), "not-a-number"),
    Odd("ignored.png", "nothing but ignore", make.saved(), make.index(lambda mask: np.full_like(mask, 255)), "empty"),
    Odd(
        "moved.png", "mask shifted by six pixels", make.saved(), make.index(lambda mask: np.roll(mask, 6, 1)), "shifted"
    ),
    Odd(
        "again.png",
        "the same image in train and val",
        make.same_as("with spaces.png"),
        make.mask_of("with spaces.png"),
        "leak",
        split="val",
    ),
    Odd(
        "nearly.jpg",
        "an image of train saved again for val",
        make.same_as("UPPER.JPG", quality=80),
        make.mask_of("UPPER.JPG"),
        "alike",
        split="val",
    ),
    # files that cannot be used: an error
    Odd("cut.jpg", "truncated JPEG", make.cut(0.5, quality=95), make.index(), "unreadable"),
    Odd("cut2.png", "truncated PNG", make.cut(0.5), make.index(), "unreadable"),
    Odd("cut3.tif", "truncated TIFF", make.cut(0.5), make.index(), "unreadable"),
    Odd("cut4.webp", "truncated WebP", make.cut(0.5), make.index(), "unreadable"),
    Odd("empty.png", "no bytes", make.written(b""), make.index(), "unreadable"),
    Odd("page.jpg", "a web page called .jpg", make.written(b"<html>404</html>"), make.index(), "unreadable"),
    Odd("bomb.png", "3.6 billion pixels in 60 bytes", make.bomb, make.index(), "unreadable"),
    Odd("nowhere.png", "a link to nothing", make.link_to("gone.png"), make.index(), "unreadable"),
    Odd("planes_first.npy", "bands first", make.array(lambda rgb: np.moveaxis(rgb, 2, 0)), make.index(), "unreadable"),
    Odd("pickle.npy", "Python objects", lambda path: np.save(path, np.array([{}])), make.index(), "unreadable"),
    Odd(
        "five.tif",
        "five bands among RGB",
        make.tiff(lambda rgb: np.dstack([rgb, rgb[:, :, :2]]), photometric="minisblack", planarconfig="contig"),
        make.index(),
        "bands",
    ),
    Odd("alone.jpg", "an image without a mask", make.saved(quality=95), None, "unpaired"),
    Odd("unseen.png", "a mask without an image", None, make.index(), "unpaired"),
    Odd("blurred.jpg", "a mask saved as JPEG", make.saved(quality=95), make.index(), "unpaired", mask_extension=".jpg"),
    Odd("mask_cut.png", "truncated mask", make.saved(), make.cut(0.4), "unreadable"),
    Odd("mask_size.png", "mask of another size", make.saved(), make.index(lambda mask: mask[:, :-1]), "size"),
    Odd("mask_colour.png", "colours among masks of indices", make.saved(), make.index(make.in_colours), "encoding"),
    Odd("mask_photo.png", "a photograph as mask", make.saved(), make.saved(), "photograph"),
    Odd(
        "mask_fraction.png",
        "fractions in a mask",
        make.saved(),
        lambda path: tifffile.imwrite(path, np.full((make.ROWS, make.COLUMNS), 0.5, np.float32)),
        "unreadable",
        mask_extension=".tif",
    ),
    Odd("mask_mixed.png", "an interpolated mask", make.saved(), make.index(make.interpolated), "interpolated"),
    Odd("mask_stray.png", "a value that is no class", make.saved(), make.index(make.with_value(77)), "class"),
    Odd(
        "mask_negative.png",
        "a negative value",
        make.saved(),
        lambda path: tifffile.imwrite(path, make.with_value(-1, np.int32)(make.mask_from(make.seed(path)))),
        "class",
        mask_extension=".tif",
    ),
]


def write_odd_folder(root: Path) -> None:
    """Write all of them, and a classes.json with four classes."""
    for odd in ODD:
        for kind, write, name in (("images", odd.image, odd.name), ("masks", odd.mask, _mask_file(odd))):
            if write is not None:
                path = root / kind / odd.split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path)
    (root / "classes.json").write_text('[{"name": "sky"}, {"name": "sand"}, {"name": "leaf"}, {"name": "rose"}]')


def _mask_file(odd: Odd) -> str:
    return odd.stem + odd.mask_extension


if __name__ == "__main__":
    write_odd_folder(Path(sys.argv[1]))
    for odd in ODD:
        print(f"| `{odd.name}` | {odd.story} | {odd.finding or 'used'} |")
