"""Pictures and masks, each written to a file in its own odd way."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

ROWS, COLUMNS = 48, 64


def mask_from(seed: int) -> np.ndarray:
    """Four classes in discs and bands."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    generator = np.random.default_rng(seed)
    mask = (columns > generator.integers(20, 44)).astype(np.uint8)
    for value in (2, 3):
        row, column = generator.integers(10, ROWS - 10), generator.integers(10, COLUMNS - 10)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < 90] = value
    return mask


def picture_from(seed: int) -> np.ndarray:
    """A picture whose edges are the mask's."""
    noise = np.random.default_rng(seed + 1000).integers(0, 30, (ROWS, COLUMNS, 3))
    colours = np.array([(40, 60, 90), (200, 180, 120), (90, 200, 80), (220, 60, 160)])
    return (colours[mask_from(seed)] + noise).astype(np.uint8)


def saved(change: Callable[[np.ndarray], object] = lambda rgb: rgb, **options: object) -> Callable[[Path], object]:
    """Pillow's way of writing the picture, changed."""

    def write(path: Path) -> None:
        changed = change(picture_from(seed(path)))
        picture = changed if isinstance(changed, Image.Image) else Image.fromarray(changed)
        picture.save(path, **options)

    return write


def tiff(change: Callable[[np.ndarray], np.ndarray], **options: object) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, change(picture_from(seed(path))), **options)


def seed(path: Path) -> int:
    return zlib.crc32(path.stem.encode()) % 10_000


def greyed(rgb: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(rgb).convert("L"))


def cut(share: float, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        saved(**options)(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return write


def exif(orientation: int) -> Callable[[Path], object]:
    """Stored turned, so that it is upright as its EXIF data say."""

    def write(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
        Image.fromarray(picture_from(seed(path))).transpose(back).save(path, exif=exif)

    return write


def bomb(path: Path) -> None:
    """A PNG of 60 bytes that claims 3.6 billion pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data)


def pages(path: Path) -> None:
    first = Image.fromarray(picture_from(seed(path)))
    first.save(path, save_all=True, append_images=[first.transpose(Image.Transpose.ROTATE_180)] * 2)


def with_nan(rgb: np.ndarray) -> np.ndarray:
    grey = greyed(rgb).astype(np.float32) / 255
    grey[:3, :3] = np.nan
    return grey


def broken_exif(path: Path) -> None:
    Image.fromarray(picture_from(seed(path))).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")


def garbage_behind(path: Path) -> None:
    saved(quality=90)(path)
    path.write_bytes(path.read_bytes() + b"garbage" * 100)


def other_format(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture_from(seed(path))).save(buffer, "JPEG", quality=95)
    path.write_bytes(buffer.getvalue())


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    return lambda path: np.save(path, change(picture_from(seed(path))))


def index(change: Callable[[np.ndarray], np.ndarray] = lambda mask: mask) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(change(mask_from(seed(path)))).save(path)


def palette_mask(path: Path) -> None:
    picture = Image.fromarray(mask_from(seed(path)))
    picture.putpalette([40, 60, 90, 200, 180, 120, 90, 200, 80, 220, 60, 160])
    picture.save(path)


def with_value(value: int, dtype: type = np.uint8) -> Callable[[np.ndarray], np.ndarray]:
    def change(mask: np.ndarray) -> np.ndarray:
        mask = mask.astype(dtype)
        mask[:6, :6] = value
        return mask

    return change


def interpolated(mask: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(mask * 60).resize((40, 30), Image.Resampling.BILINEAR).resize((COLUMNS, ROWS)))


def in_colours(mask: np.ndarray) -> np.ndarray:
    return np.array([(40, 60, 90), (200, 180, 120), (90, 200, 80), (220, 60, 160)], np.uint8)[mask]


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def same_as(name: str, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        Image.fromarray(picture_from(seed(Path(name)))).save(path, **options)

    return write


def mask_of(name: str) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(mask_from(seed(Path(name)))).save(path)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
