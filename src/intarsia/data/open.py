"""`open_dataset`: from a path, or the name of a built-in sample, to a dataset."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from intarsia.data.classes import Classes, parse_classes
from intarsia.data.dataset import Dataset, FileSample
from intarsia.data.folder import find_folder
from intarsia.data.infer import fitted, infer_classes, scan_masks
from intarsia.data.listing import Found, read_text
from intarsia.data.samples.brain import brain
from intarsia.data.samples.materials import materials
from intarsia.data.voc import find_voc
from intarsia.errors import DataError, UnknownNameError

SAMPLES: dict[str, Callable[[], Dataset]] = {"materials": materials, "brain": brain}

_PREFIX = "sample:"


def open_dataset(source: str | Path, classes: Classes | None = None) -> Dataset:
    """The dataset at a path, or a built-in one (``"sample:materials"``, ``"sample:brain"``).

    A folder is recognised as plain (`images/` + `masks/`) or VOC. Names and colours of the classes come from `classes`,
    else from the folder's classes.json, else from what its layout knows, else from the masks. The encoding comes from
    classes.json where it states one, else from the masks, all of which are then scanned once.

    Raises:
        UnknownNameError: there is no such built-in sample.
        MissingPackageError: the built-in sample needs a package that is not installed.
        DataError: the path is no folder, no layout is recognised, or files break a rule; the sentence says which.

    >>> dataset = open_dataset("sample:materials")
    >>> {name: len(samples) for name, samples in dataset.splits.items()}
    {'train': 320, 'val': 64}
    """
    if str(source).startswith(_PREFIX):
        return _open_sample(str(source).removeprefix(_PREFIX), classes)
    folder = _expanded(Path(source))
    if not folder.exists():
        raise DataError(
            f"There is no folder `{folder}`: correct the path, or name a built-in set such as sample:materials."
        )
    if not folder.is_dir():
        raise DataError(f"`{folder}` is a file: name the folder that holds the images and masks.")
    found = find_folder(folder) or find_voc(folder)
    if found is None:
        raise DataError(
            f"`{folder}` holds no layout that is known: put photographs into `images/` and masks of the same name into "
            f"`masks/` (with or without train/, val/, test/), or use VOC's JPEGImages/ and SegmentationClass/."
        )
    known = _classes_of(found, classes)
    splits = {
        split: tuple(FileSample(pair.name, pair.image, pair.mask, known) for pair in pairs)
        for split, pairs in found.splits.items()
    }
    return Dataset(folder.resolve().name, found.layout, known, splits)


def _expanded(path: Path) -> Path:
    """The path with ~ replaced; an unknown user's stays, and is then not found."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _open_sample(name: str, classes: Classes | None) -> Dataset:
    if name not in SAMPLES:
        raise UnknownNameError("built-in sample", name, SAMPLES, "`intarsia.data.SAMPLES`")
    dataset = SAMPLES[name]()
    if classes is None:
        return dataset
    if classes.count != dataset.classes.count:
        raise DataError(
            f"sample:{name} has {dataset.classes.count} classes, but {classes.count} are given: give as many, or none."
        )
    return replace(dataset, classes=replace(classes, encoding="index"))


def _classes_of(found: Found, given: Classes | None) -> Classes:
    """The classes by the order of precedence that `open_dataset` states."""
    path = found.root / "classes.json"
    stated = False
    written = None
    if path.is_file():
        written, stated = parse_classes(read_text(path), str(path))
    own = written or found.classes
    if given is not None and own is not None and not _compatible(own, given):
        raise DataError(
            f"`{found.root}` has the classes {_named(own)}, but the network was trained on {_named(given)}: "
            f"evaluate it on data with the same classes in the same order."
        )
    if given is not None and stated and written is not None:
        return replace(given, encoding=written.encoding)
    if stated and written is not None:
        return written
    known = given or written or found.classes
    if known is not None and known == found.classes:
        return known  # a layout that names its classes spells them as indices
    scan = scan_masks(list(dict.fromkeys(pair.mask for pairs in found.splits.values() for pair in pairs)))
    return fitted(known, scan) if known else infer_classes(scan)


def _compatible(own: Classes, given: Classes) -> bool:
    """Whether a folder's classes can be those of a network; classes that never had a name may get one later."""
    unnamed = all(re.fullmatch(r"(class|unused) \d+|background|foreground", name) for name in given.names)
    return own.count == given.count if unnamed else own.names == given.names


def _named(classes: Classes) -> str:
    return ", ".join(classes.names[:8]) + (f", … ({classes.count})" if classes.count > 8 else "")
