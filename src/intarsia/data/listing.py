"""Folders of pictures: which files count, which names they have, and which belong together."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from intarsia.data.classes import Classes
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.masks import MASK_EXTENSIONS
from intarsia.data.spelling import Spelling
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

    @property
    def paths(self) -> tuple[Path, ...]:
        """The two files."""
        return self.image, self.mask


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used, and the sentence that says why and what to do."""

    path: Path
    sentence: str


@dataclass
class Ledger:
    """What is noted while a folder is listed: files to leave out, by absolute path, and problems of single files."""

    skip: frozenset[Path] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    skipped: set[Path] = field(default_factory=set)

    def note(self, path: Path, sentence: str) -> None:
        """A problem that does not keep the other files from being listed."""
        self.problems.append(Problem(path, sentence))

    def skips(self, *paths: Path | None) -> bool:
        """Whether one of the files is to be left out, and its partner with it."""
        found = {path.absolute() for path in paths if path is not None} & self.skip if self.skip else set()
        self.skipped |= found
        return bool(found)


@dataclass(frozen=True)
class Found:
    """What a layout's reader recognised.

    Attributes:
        root: where a `classes.json` would lie.
        layout: a few words for the user.
        splits: the pairs of each.
        classes: those that the layout names.
        spelling: how its masks write them, if not as indices.
        apart: the splits that may share no image, where some are unions of others; all of them by default.
    """

    root: Path
    layout: str
    splits: dict[str, tuple[Pair, ...]]
    classes: Classes | None = None
    spelling: Spelling | None = None
    apart: tuple[str, ...] | None = None

    @property
    def pairs(self) -> list[Pair]:
        """The pairs of all splits, each once: a single pair may be in two."""
        return list(dict.fromkeys(pair for pairs in self.splits.values() for pair in pairs))


def pictures_in(folder: Path, extensions: Collection[str], ledger: Ledger) -> dict[str, Path]:
    """The pictures below a folder by relative path without extension, sorted; hidden files and other types are out.

    Names are compared in Unicode's composed form, because some systems decompose accents. Of two pictures that differ
    in their extension only, the second becomes a problem.
    """
    found: dict[str, Path] = {}
    for path in sorted(_files_in(folder, extensions)):
        stem = normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
        if stem not in found or ledger.skips(found[stem]):
            found[stem] = path
        elif not ledger.skips(path):
            ledger.note(
                path, f"`{found[stem]}` and `{path}` have the same name but for the extension: keep one of them."
            )
    return dict(sorted(found.items()))


def _files_in(folder: Path, extensions: Collection[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.suffix.lower() in extensions:
                yield path


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


def paired(images: Path, masks: Path, ledger: Ledger, skip_unmasked: bool = False) -> tuple[Pair, ...]:
    """Images and masks of the same relative path without extension; what has no partner becomes a problem.

    Args:
        images: the folder of images.
        masks: the folder of masks.
        ledger: where problems are noted.
        skip_unmasked: leave out images without a mask silently.

    Raises:
        DataError: one of the folders holds no picture.
    """
    pictures, labels = pictures_in(images, IMAGE_EXTENSIONS, ledger), pictures_in(masks, MASK_EXTENSIONS, ledger)
    if not pictures:
        raise DataError(
            f"`{images}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put the photographs there."
        )
    if not labels and not skip_unmasked:
        raise no_masks(masks)
    _refuse_other_names(pictures, labels, masks)
    return matched(pictures, labels, (images, ".jpg"), (masks, ".png"), ledger, skip_unmasked)


def matched(
    pictures: Mapping[str, Path],
    labels: Mapping[str, Path],
    image_place: tuple[Path, str],
    mask_place: tuple[Path, str],
    ledger: Ledger,
    skip_unmasked: bool = False,
) -> tuple[Pair, ...]:
    """The images and masks of the same name; what has no partner becomes a problem.

    Args:
        pictures: the images by name.
        labels: the masks by name.
        image_place: the folder of images, and what a file there is called behind its name; for the sentences.
        mask_place: the same of masks.
        ledger: where problems are noted.
        skip_unmasked: leave out images without a mask silently.
    """
    (images, image_ending), (masks, mask_ending) = image_place, mask_place
    for name, path in pictures.items():
        if name not in labels and not skip_unmasked and not ledger.skips(path):
            ledger.note(path, f"`{path}` has no mask: draw `{masks / name}{mask_ending}`, or leave the image out.")
    for name, path in labels.items():
        if name not in pictures and not ledger.skips(path):
            remedy = f"add `{images / name}{image_ending}` or the like, or leave the mask out"
            ledger.note(path, f"`{path}` has no image: {remedy}.")
    return tuple(
        Pair(name, path, labels[name])
        for name, path in pictures.items()
        if name in labels and not ledger.skips(path, labels[name])
    )


def ending_with(files: Mapping[str, Path], ending: str) -> dict[str, Path]:
    """The files whose name has that ending, by the name without it.

    >>> ending_with({"ulm/7_color": Path("7_color.png"), "ulm/7_ids": Path("7_ids.png")}, "_ids")
    {'ulm/7': PosixPath('7_ids.png')}
    """
    return {name.removesuffix(ending): path for name, path in files.items() if name.endswith(ending)}


def _refuse_other_names(pictures: Mapping[str, Path], labels: Mapping[str, Path], masks: Path) -> None:
    """Masks that are all called like their images and something more are the commonest mistake of all."""
    endings = {label.removeprefix(name) for name in pictures for label in labels if label.startswith(name)}
    if len(endings) == 1 and labels.keys() == {name + next(iter(endings)) for name in pictures} and "" not in endings:
        raise DataError(
            f"The masks in `{masks}` are called like their images and `{next(iter(endings))}`: rename them, so that a "
            f"mask has the very name of its image."
        )


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
    if pictures_in(masks, {".jpg", ".jpeg"}, Ledger()):
        remedy = "JPEG blurs class indices, so save the masks as PNG"
    return DataError(f"`{masks}` holds no mask ({', '.join(sorted(MASK_EXTENSIONS))}): {remedy}.")
