"""Folders of pictures: which files count, which names they have, and which belong together."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from intarsia.data.classes import Classes
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.masks import MASK_EXTENSIONS
from intarsia.errors import DataError

_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Pair:
    """An image file and its mask file; `name` is their common relative path without extension."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Found:
    """What a layout's reader recognised: `root` is where a `classes.json` would lie, `classes` are those it names."""

    root: Path
    layout: str
    splits: dict[str, tuple[Pair, ...]]
    classes: Classes | None = None


def pictures_in(folder: Path, extensions: Collection[str]) -> dict[str, Path]:
    """The pictures below a folder by relative path without extension, sorted; hidden files and other types are out.

    Raises:
        DataError: two pictures differ in their extension only.
    """
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in extensions:
                continue
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in found:
                raise DataError(
                    f"`{found[stem]}` and `{path}` have the same name but for the extension: keep one of them."
                )
            found[stem] = path
    return dict(sorted(found.items()))


def split_folders(folder: Path) -> dict[str, Path]:
    """The subfolders named like a split (train, training, val, valid, validation, test, testing, in any case).

    Raises:
        DataError: two of them mean the same split.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        split = _ALIASES.get(path.name.lower())
        if split is None or not path.is_dir():
            continue
        if split in found:
            raise DataError(f"`{found[split]}` and `{path}` both mean the split `{split}`: keep one of them.")
        found[split] = path
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def child(folder: Path, name: str) -> Path | None:
    """The subfolder of that name, in any case."""
    exact = folder / name
    if exact.is_dir():
        return exact
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() == name and path.is_dir()), None)


def paired(images: Path, masks: Path, skip_unmasked: bool = False) -> tuple[Pair, ...]:
    """Images and masks of the same relative path without extension.

    Args:
        images: the folder of images.
        masks: the folder of masks.
        skip_unmasked: leave out images without a mask, instead of refusing them.

    Raises:
        DataError: an image has no mask (unless skipped), a mask has no image, or one of the folders holds no picture.
    """
    pictures, labels = pictures_in(images, IMAGE_EXTENSIONS), pictures_in(masks, MASK_EXTENSIONS)
    if not pictures:
        raise DataError(
            f"`{images}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put the photographs there."
        )
    if not labels and not skip_unmasked:
        raise no_masks(masks)
    unlabelled = [name for name in pictures if name not in labels]
    if unlabelled and not skip_unmasked:
        raise DataError(
            f"{len(unlabelled)} of {len(pictures)} images in `{images}` have no mask; the first is "
            f"`{pictures[unlabelled[0]]}`, whose mask would be `{masks / unlabelled[0]}.png`: draw it, or leave the "
            f"image out."
        )
    unseen = [name for name in labels if name not in pictures]
    if unseen:
        raise DataError(
            f"{len(unseen)} of {len(labels)} masks in `{masks}` have no image; the first is "
            f"`{labels[unseen[0]]}`, whose image would be `{images / unseen[0]}.jpg` or the like: add it, or leave "
            f"the mask out."
        )
    return tuple(Pair(name, path, labels[name]) for name, path in pictures.items() if name in labels)


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file, with or without a byte order mark.

    Raises:
        DataError: the file is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"`{path}` is not UTF-8 text: save it as UTF-8.") from None


def no_masks(masks: Path) -> DataError:
    """The error for a folder without a mask; JPEG files are the usual reason."""
    remedy = "put one mask for each image there, with the image's name"
    if pictures_in(masks, {".jpg", ".jpeg"}):
        remedy = "JPEG blurs class indices, so save the masks as PNG"
    return DataError(f"`{masks}` holds no mask ({', '.join(sorted(MASK_EXTENSIONS))}): {remedy}.")
