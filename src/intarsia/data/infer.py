"""Which classes a folder of masks holds, told from the masks themselves."""

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from intarsia.data.classes import Classes
from intarsia.data.colours import Colour, default_colour
from intarsia.data.decoding import MAX_PIXELS, opened, read_header
from intarsia.data.masks import decode_mask
from intarsia.data.spelling import Spelling
from intarsia.errors import DataError
from intarsia.shapes import IGNORE, IGNORE_UINT16

MOST_COLOURS = 256
MOST_CLASSES = (
    4096  # beyond the largest published label set (ADE20K-full: 3148); more are instance numbers or photographs
)


@dataclass(frozen=True)
class Content:
    """What one mask file holds: the values in it, or the colours."""

    path: Path
    values: frozenset[int] = frozenset()
    colours: frozenset[Colour] = frozenset()


@dataclass(frozen=True)
class Scan:
    """What all masks of a set hold together: `values` if they hold indices, `colours` otherwise."""

    contents: tuple[Content, ...]
    values: frozenset[int]
    colours: frozenset[Colour]

    @property
    def is_binary(self) -> bool:
        """Whether 0 and 255 are all there is."""
        return 255 in self.values and self.values <= {0, 255}

    def holder(self, item: int | Colour) -> Path:
        """The first mask that holds a value or colour."""
        return next(content.path for content in self.contents if item in content.values or item in content.colours)


def scan_masks(paths: Sequence[Path], max_pixels: int = MAX_PIXELS, spelling: Spelling | None = None) -> Scan:
    """The values or colours in all masks; each file is decoded once, by several threads.

    Raises:
        DataError: a mask cannot be read or holds more than 256 colours, or the masks do not go together.
    """
    with ThreadPoolExecutor() as pool:
        contents = tuple(pool.map(lambda path: _content(path, max_pixels, spelling), paths))
    return joined(contents)


def joined(contents: tuple[Content, ...]) -> Scan:
    """What masks hold together.

    Raises:
        DataError: some masks hold indices and others colours, or together they hold more than 256 colours.
    """
    values = frozenset[int]().union(*(content.values for content in contents))
    colours = frozenset[Colour]().union(*(content.colours for content in contents))
    scan = Scan(contents, values, colours)
    if values and colours:
        raise DataError(
            f"`{next(c.path for c in contents if c.values)}` holds class indices but "
            f"`{next(c.path for c in contents if c.colours)}` holds RGB colours: save all masks of the set in one way."
        )
    if len(colours) > MOST_COLOURS:
        raise DataError(
            f"The masks beside `{contents[0].path}` hold {len(colours)} different colours together, but at most "
            f"{MOST_COLOURS} can be classes, so they are photographs or were interpolated: save them unchanged."
        )
    return scan


def infer_classes(scan: Scan) -> Classes:
    """Classes without names for what the masks hold.

    Indices: K = largest + 1, at least 2; unseen ones keep their place as ``unused 3``; colours are the first palette's.
    0 and 255 alone: background and foreground. RGB: one class a colour, in the order of (red, green, blue).

    Raises:
        DataError: the largest index is 4096 or more.
    """
    if scan.colours:
        colours = sorted(scan.colours)
        return Classes(tuple(f"class {i}" for i in range(len(colours))), tuple(colours), "colour")
    if scan.is_binary:
        return Classes(("background", "foreground"), (default_colour(0), default_colour(1)), "binary")
    indices = class_indices(scan.values)
    count = max(2, max(indices, default=0) + 1)
    if count > MOST_CLASSES:
        raise DataError(
            f"`{scan.holder(count - 1)}` holds the value {count - 1}, far above the number of any classes: replace "
            f"instance numbers or 16-bit pictures by class indices, or name the classes in classes.json."
        )
    unused = [i for i in range(count) if i not in indices] if indices else ()
    return Classes.numbered(count, unused, _first_palette(scan.contents)[:count])


def fitted(classes: Classes, scan: Scan) -> Classes:
    """Known classes with the encoding that the masks show.

    Raises:
        DataError: a mask holds an index or colour that is none of the classes'.
    """
    if scan.colours:
        fit = replace(classes, encoding="colour")
    elif scan.is_binary and classes.count == 2:
        fit = replace(classes, encoding="binary")
    else:
        fit = replace(classes, encoding="index")
    for content in scan.contents:
        complaint = stray(content, fit)
        if complaint:
            raise DataError(complaint)
    return fit


def stray(content: Content, classes: Classes) -> str | None:
    """The sentence about a value or colour in a mask that is none of the classes'; None if there is none."""
    if (classes.encoding == "colour") != bool(content.colours):
        found = "RGB colours" if content.colours else "class indices"
        return (
            f"`{content.path}` holds {found}, but the classes are spelled as {classes.encoding}: save the mask so, or "
            f"correct the encoding in classes.json."
        )
    unknown = sorted(content.colours.difference(classes.colours))
    if unknown:
        return (
            f"`{content.path}` holds the colour {unknown[0]}, which is none of the {classes.count} classes' colours: "
            f"correct the mask or the colours in classes.json."
        )
    if classes.encoding == "binary":
        strange = sorted(content.values - {0, 255})
        rule = "a binary mask holds 0 and 255 only"
    else:
        strange = sorted(v for v in content.values - {IGNORE_UINT16, classes.ignore} if not 0 <= v < classes.count)
        rule = f"there are {classes.count} classes, 0 … {classes.count - 1} (and {classes.ignore}: ignore)"
    if classes.encoding != "colour" and strange:
        return (
            f"`{content.path}` holds the value {strange[-1]}, but {rule}: correct the mask or add the class to "
            f"classes.json."
        )
    return None


def class_indices(values: Iterable[int]) -> set[int]:
    """The values that are class indices: 65535 never is one, and 255 only where larger ones occur."""
    indices = set(values) - {IGNORE_UINT16}
    return indices - {IGNORE} if max(indices, default=0) <= IGNORE else indices


def _content(path: Path, max_pixels: int, spelling: Spelling | None) -> Content:
    return content_of(path, decode_mask(path, max_pixels=max_pixels, spelling=spelling))


def content_of(path: Path, pixels: Shaped[np.ndarray, "..."]) -> Content:
    """What the decoded pixels of a mask hold.

    Raises:
        DataError: more than 256 colours.
    """
    if pixels.ndim == 3:
        colours = _colours(pixels)
        if colours is None:
            raise DataError(too_many_colours(path))
        return Content(path, colours=colours)
    if pixels.dtype == bool:
        return Content(path, values=frozenset(255 * int(v) for v in np.unique(pixels)))
    if pixels.dtype == np.uint8:
        return Content(path, values=frozenset(np.flatnonzero(np.bincount(pixels.ravel())).tolist()))
    return Content(path, values=frozenset(np.unique(pixels).tolist()))


def too_many_colours(path: Path) -> str:
    """The sentence about a mask that cannot be one."""
    return (
        f"`{path}` holds more than {MOST_COLOURS} colours, so it is a photograph or was interpolated: save masks with "
        f"one plain colour for each class."
    )


def _colours(pixels: UInt8[np.ndarray, "H W 3"]) -> frozenset[Colour] | None:
    """The colours in a picture, or None if there are more than can be classes."""
    counted = Image.fromarray(pixels).getcolors(MOST_COLOURS)
    return None if counted is None else frozenset((r, g, b) for r, g, b in np.array([c for _, c in counted]).tolist())


def _first_palette(contents: Sequence[Content]) -> list[Colour]:
    """The colours of the first mask if it has a palette that is more than a ramp of grey."""
    if read_header(contents[0].path, sys.maxsize).kind != "pillow":
        return []
    with opened(contents[0].path, sys.maxsize, decode=False) as picture:
        palette = picture.getpalette("RGB") if picture.mode == "P" else None
    colours = list(zip(*[iter(palette or [])] * 3, strict=True))
    return [] if all(red == green == blue for red, green, blue in colours) else colours
