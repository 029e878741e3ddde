"""`open_depth`: from a path, or the name of a built-in scene, to a set of images with depths."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth.dataset import DepthDataset, FileDepthSample
from intarsia.data.depth.kitti import find_kitti, looks_like_kitti
from intarsia.data.depth.layouts import DepthFound, find_plain, looks_plain
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.data.depth.nyu import LABELLED, open_nyu
from intarsia.data.images import PixelFormat, pixel_format
from intarsia.data.listing import Ledger
from intarsia.data.open import SAMPLES, check_skipped, first_problem
from intarsia.data.source import existing_folder, expanded, is_sample, name_of, name_of_sample
from intarsia.errors import DataError, UnknownNameError

DEPTH_SAMPLES: dict[str, Callable[[], DepthDataset]] = {"motorcycle": motorcycle}


def open_depth(
    source: str | Path,
    pixels: PixelFormat | None = None,
    *,
    skip: Collection[Path] = (),
    max_pixels: int = MAX_PIXELS,
) -> DepthDataset:
    """The set of images with depths at a path, or a built-in one (``"sample:motorcycle"``).

    A folder is recognised as plain (`images/` + `depth/`, 16-bit PNG with its unit in depth.json, or float TIFF or NPY
    of metres), KITTI's, or NYU's, which may also be named by its file. What the numbers in the picture files mean comes
    from `pixels`, else from the files. Files in `skip` are left out with their partners.

    Raises:
        UnknownNameError: there is no such built-in set.
        MissingPackageError: the set needs a package that is not installed.
        DataError: the path is no folder, no layout is recognised, or files break a rule; the sentence says which.

    >>> {name: len(samples) for name, samples in open_depth("sample:motorcycle").splits.items()}
    {'train': 64, 'val': 2}
    """
    ledger = Ledger(skip=frozenset(path.absolute() for path in skip))
    whole = open_whole(source, ledger)
    if whole is not None:
        return whole
    found = find_depth(source, ledger)
    if ledger.problems:
        raise first_problem(ledger, source)
    pixels = pixels or pixel_format(list(dict.fromkeys(one.image for one in found.samples)), max_pixels)
    return assemble_depth(name_of(source), found, pixels, max_pixels)


def open_whole(source: str | Path, ledger: Ledger) -> DepthDataset | None:
    """A set that has no file for each picture: a built-in one, or NYU's; None if the source is none of them.

    Raises:
        UnknownNameError: there is no such built-in set.
        MissingPackageError: the set needs a package that is not installed.
        DataError: a built-in set holds masks, NYU's file breaks a rule, or files shall be left out of it.
    """
    labelled = [path for path in (expanded(Path(source)), expanded(Path(source)) / LABELLED) if _is_matlab(path)]
    if ledger.skip and (is_sample(source) or labelled):
        raise DataError(f"`{source}` has no file for each picture, so that none can be left out: go without the list.")
    if is_sample(source):
        name = name_of_sample(source)
        if name in SAMPLES:
            scenes = " and ".join(f"sample:{scene}" for scene in DEPTH_SAMPLES)
            raise DataError(f"`{source}` holds masks and no depths: use {scenes}, or images with depths of your own.")
        if name not in DEPTH_SAMPLES:
            raise UnknownNameError("built-in scene", name, DEPTH_SAMPLES, "`intarsia.data.depth.DEPTH_SAMPLES`")
        return DEPTH_SAMPLES[name]()
    return open_nyu(labelled[0]) if labelled else None


def _is_matlab(path: Path) -> bool:
    return path.suffix == ".mat" and path.is_file()


def find_depth(source: str | Path, ledger: Ledger) -> DepthFound:
    """The files of a folder of a known layout; problems of single files are noted in the ledger.

    Raises:
        DataError: the path is no folder, or no layout is recognised.
    """
    folder = existing_folder(source)
    found = find_plain(folder, ledger) or find_kitti(folder, ledger)
    if found is None:
        raise DataError(
            f"`{folder}` holds no depths of a layout that is known: put photographs into `images/` and depths of the "
            f"same name into `depth/`, or use KITTI's folders or NYU's {LABELLED}."
        )
    check_skipped(ledger, folder, found.samples, "image or depth")
    return found


def is_depth_source(source: str | Path) -> bool:
    """Whether a source is a set of images with depths, told from a few names alone; what is not there is none.

    >>> is_depth_source("sample:motorcycle"), is_depth_source("sample:materials")
    (True, False)
    """
    if is_sample(source):
        return name_of_sample(source) in DEPTH_SAMPLES
    path = expanded(Path(source))
    if not path.is_dir():
        return path.suffix == ".mat"
    return (path / LABELLED).is_file() or looks_plain(path) or looks_like_kitti(path)


def assemble_depth(name: str, found: DepthFound, pixels: PixelFormat, max_pixels: int = MAX_PIXELS) -> DepthDataset:
    """The set of what a layout's reader found."""
    read = partial(FileDepthSample, unit=found.unit, pixels=pixels, max_pixels=max_pixels)
    splits = {
        split: tuple(read(one.name, one.image, one.depth, one.measured, calibration=one.camera) for one in files)
        for split, files in found.splits.items()
    }
    return DepthDataset(name, found.layout, splits, pixels)
