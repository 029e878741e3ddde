"""`open_dataset`: from a path, or the name of a built-in sample, to a dataset."""

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from intarsia.data.classes import Classes, parse_classes
from intarsia.data.dataset import Dataset, FileSample
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.folder import find_folder
from intarsia.data.images import PixelFormat, pixel_format
from intarsia.data.infer import Scan, fitted, infer_classes, scan_masks
from intarsia.data.listing import Found, Ledger, read_text
from intarsia.data.published.ade20k import find_ade20k
from intarsia.data.published.camvid import find_camvid
from intarsia.data.published.cityscapes import find_cityscapes
from intarsia.data.published.sbd import find_sbd
from intarsia.data.published.voc import find_voc
from intarsia.data.samples.brain import brain
from intarsia.data.samples.materials import materials
from intarsia.data.source import existing_folder, is_sample, name_of, name_of_sample
from intarsia.errors import DataError, IntarsiaWarning, UnknownNameError

SAMPLES: dict[str, Callable[[], Dataset]] = {"materials": materials, "brain": brain}

LAYOUTS: tuple[Callable[[Path, Ledger], Found | None], ...] = (  # the first that recognises a folder reads it
    find_cityscapes,
    find_ade20k,
    find_camvid,
    find_sbd,  # before VOC alone
    find_folder,
    find_voc,
)

WNID = re.compile(r"n\d{8}")  # ImageNet's names of classes


def open_dataset(
    source: str | Path,
    classes: Classes | None = None,
    pixels: PixelFormat | None = None,
    *,
    skip: Collection[Path] = (),
    max_pixels: int = MAX_PIXELS,
) -> Dataset:
    """The dataset at a path, or a built-in one (``"sample:materials"``, ``"sample:brain"``).

    A folder is recognised as plain (`images/` + `masks/`), VOC, VOC with SBD, Cityscapes, ADE20K or CamVid. Names and
    colours of the classes come from `classes`, else from the folder's classes.json, else from what its layout knows,
    else from the masks. The encoding comes from classes.json where it states one, else from the masks, all of which
    are then scanned once. What the numbers in the picture files mean comes from `pixels`, else from the files. Files
    in `skip` are left out with their partners.

    Raises:
        UnknownNameError: there is no such built-in sample.
        MissingPackageError: the built-in sample needs a package that is not installed.
        DataError: the path is no folder, no layout is recognised, or files break a rule; the sentence says which.

    >>> dataset = open_dataset("sample:materials")
    >>> {name: len(samples) for name, samples in dataset.splits.items()}
    {'train': 320, 'val': 64}
    """
    if is_sample(source):
        return _open_sample(name_of_sample(source), classes)
    ledger = Ledger(skip=frozenset(path.absolute() for path in skip))
    found = find_layout(source, ledger)
    if ledger.problems:
        raise first_problem(ledger, source)
    masks = [pair.mask for pair in found.pairs]
    known = classes_of(found, classes, lambda: scan_masks(masks, max_pixels, found.spelling))
    pixels = pixels or pixel_format([pair.image for pair in found.pairs], max_pixels)
    return assemble(name_of(source), found, known, pixels, max_pixels)


def find_layout(source: str | Path, ledger: Ledger) -> Found:
    """The pairs of files in a folder of a known layout; problems of single files are noted in the ledger.

    Raises:
        DataError: the path is no folder, or no layout is recognised.
    """
    folder = existing_folder(source)
    found = next((found for find in LAYOUTS if (found := find(folder, ledger)) is not None), None)
    if found is None:
        raise _unrecognised(folder)
    check_skipped(ledger, folder, found.pairs, "image or mask")
    return found


def check_skipped(ledger: Ledger, folder: Path, left: Sequence[object], kinds: str) -> None:
    """Files to leave out must be files of the set, and something must be left of it.

    Raises:
        DataError: one is not, or nothing is.
    """
    unknown = sorted(ledger.skip - ledger.skipped)
    if unknown:
        raise DataError(
            f"`{unknown[0]}` shall be left out, but it is no {kinds} of `{folder}`: strike it from the list."
        )
    if not left and not ledger.problems:
        pair = kinds.replace(" or ", " and ")
        raise DataError(f"`{folder}` holds no pair of {pair} that is not left out: shorten the list.")


def first_problem(ledger: Ledger, source: str | Path) -> DataError:
    """The error that a set with problems is refused with: the first one, and how many more there are."""
    more = len({problem.path for problem in ledger.problems}) - 1
    others = f" {more} more files are in the way; `intarsia check {source}` lists them all." if more else ""
    return DataError(ledger.problems[0].sentence + others)


def _unrecognised(folder: Path) -> DataError:
    """ImageNet's folders are known, but for another task."""
    if any(WNID.fullmatch(path.name) for path in (*folder.glob("*/"), *folder.glob("train/*/"))):
        return DataError(
            f"`{folder}` holds ImageNet's folders, pictures of one class each without masks: train a backbone on them "
            f"with `--task classification`."
        )
    return DataError(
        f"`{folder}` holds no layout that is known: put photographs into `images/` and masks of the same name into "
        f"`masks/` (with or without train/, val/, test/), or use VOC's JPEGImages/ and SegmentationClass/, or the "
        f"folders of SBD, Cityscapes, ADE20K or CamVid as they are published; depths go into `depth/`."
    )


def assemble(name: str, found: Found, classes: Classes, pixels: PixelFormat, max_pixels: int = MAX_PIXELS) -> Dataset:
    """The dataset of what a layout's reader found."""
    splits = {
        split: tuple(
            FileSample(pair.name, pair.image, pair.mask, classes, found.spelling, pixels=pixels, max_pixels=max_pixels)
            for pair in pairs
        )
        for split, pairs in found.splits.items()
    }
    return Dataset(name, found.layout, classes, splits, pixels)


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


def classes_of(found: Found, given: Classes | None, scan_masks: Callable[[], Scan]) -> Classes:
    """The classes by the order of precedence that `open_dataset` states; masks are scanned only if they are asked."""
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
    scan = scan_masks()
    if known is not None and known.count > 2 and scan.is_binary:
        warnings.warn(
            f"The masks in `{found.root}` hold 0 and 255 alone, so that, of {known.count} classes, all pixels are "
            f"{known.names[0]} or ignored.",
            IntarsiaWarning,
            stacklevel=2,
        )
    return fitted(known, scan) if known else infer_classes(scan)


def _compatible(own: Classes, given: Classes) -> bool:
    """Whether a folder's classes can be those of a network; classes that never had a name may get one later."""
    unnamed = all(re.fullmatch(r"(class|unused) \d+|background|foreground", name) for name in given.names)
    return own.count == given.count if unnamed else own.names == given.names


def _named(classes: Classes) -> str:
    return ", ".join(classes.names[:8]) + (f", … ({classes.count})" if classes.count > 8 else "")
