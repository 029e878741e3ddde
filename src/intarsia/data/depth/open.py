"""`open_depth`: from a path, or the name of a built-in scene, to a set of images with depths."""

from collections.abc import Callable
from pathlib import Path

from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth.dataset import DepthDataset, FileDepthSample
from intarsia.data.depth.layouts import DepthFound, find_kitti, find_plain, looks_like_kitti, looks_plain
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.data.depth.nyu import LABELLED, open_nyu
from intarsia.data.open import existing_folder, expanded, is_sample, name_of, pixel_format
from intarsia.errors import DataError, UnknownNameError

DEPTH_SAMPLES: dict[str, Callable[[], DepthDataset]] = {"motorcycle": motorcycle}


def open_depth(source: str | Path, *, max_pixels: int = MAX_PIXELS) -> DepthDataset:
    """The set of images with depths at a path, or a built-in one (``"sample:motorcycle"``).

    A folder is recognised as plain (`images/` + `depth/`, 16-bit PNG with its unit in depth.json, or TIFF or NPY of
    metres), KITTI's, or NYU's, which may also be named by its file.

    Raises:
        UnknownNameError: there is no such built-in set.
        MissingPackageError: the set needs a package that is not installed.
        DataError: the path is no folder, no layout is recognised, or files break a rule; the sentence says which.

    >>> {name: len(samples) for name, samples in open_depth("sample:motorcycle").splits.items()}
    {'train': 64, 'val': 2}
    """
    if is_sample(source):
        name = str(source).partition(":")[2]
        if name not in DEPTH_SAMPLES:
            raise UnknownNameError("built-in scene", name, DEPTH_SAMPLES, "`intarsia.data.depth.DEPTH_SAMPLES`")
        return DEPTH_SAMPLES[name]()
    labelled = [
        path
        for path in (expanded(Path(source)), expanded(Path(source)) / LABELLED)
        if path.suffix == ".mat" and path.is_file()
    ]
    if labelled:
        return open_nyu(labelled[0])
    folder = existing_folder(source)
    found = find_plain(folder) or find_kitti(folder)
    if found is None:
        raise DataError(
            f"`{folder}` holds no depths of a layout that is known: put photographs into `images/` and depths of the "
            f"same name into `depth/`, or use KITTI's folders or NYU's {LABELLED}."
        )
    return _assembled(name_of(source), found, max_pixels)


def is_depth_source(source: str | Path) -> bool:
    """Whether a source is a set of images with depths, told from a few names alone; what is not there is none.

    >>> is_depth_source("sample:motorcycle"), is_depth_source("sample:materials")
    (True, False)
    """
    if is_sample(source):
        return str(source).partition(":")[2] in DEPTH_SAMPLES
    path = expanded(Path(source))
    if not path.is_dir():
        return path.suffix == ".mat"
    return (path / LABELLED).is_file() or looks_plain(path) or looks_like_kitti(path)


def _assembled(name: str, found: DepthFound, max_pixels: int) -> DepthDataset:
    images = list(dict.fromkeys(files.image for split in found.splits.values() for files in split))
    pixels = pixel_format(images, max_pixels)
    splits = {
        split: tuple(
            FileDepthSample(one.name, one.image, one.depth, one.measured, found.unit, pixels, max_pixels)
            for one in files
        )
        for split, files in found.splits.items()
    }
    return DepthDataset(name, found.layout, splits, pixels)
