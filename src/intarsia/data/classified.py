"""Pictures of one class each, in folders as ImageNet's: CLASS/*.jpg, with or without train/ and val/ above.

ImageNet: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, arXiv:1409.0575.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intarsia.data.classes import Classes
from intarsia.data.colours import default_colour
from intarsia.data.dataset import Dataset, ImageFile
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.images import IMAGE_EXTENSIONS, PixelFormat, pixel_format
from intarsia.data.listing import Ledger, pictures_in, split_folders
from intarsia.data.open import WNID
from intarsia.data.source import existing_folder, is_sample, name_of
from intarsia.data.split import completed
from intarsia.errors import DataError
from intarsia.shapes import Mask, Window

OF_SEGMENTATION = ({"images", "masks"}, {"JPEGImages", "SegmentationClass"})


@dataclass(frozen=True)
class LabelledSample(ImageFile):
    """A picture of one class: its mask holds that class everywhere."""

    label: int
    classes: Classes

    def mask(self, window: Window | None = None) -> Mask:
        """The label, in as many rows and columns."""
        shape = self.shape() if window is None else tuple(part.stop - part.start for part in window)
        return np.full(shape, self.label, self.classes.dtype)


def open_classified(
    source: str | Path,
    classes: Classes | None = None,
    pixels: PixelFormat | None = None,
    *,
    skip: Collection[Path] = (),
    max_pixels: int = MAX_PIXELS,
) -> Dataset:
    """The dataset in a folder of folders, one a class; their names, sorted, are the classes.

    Without val/, the hash of the names splits it off. `classes` and `pixels` are those of a training that goes on;
    files in `skip` are left out.

    Raises:
        DataError: the path is no folder, there are fewer than two classes, one of them has no picture in train/, or
            val/ has another or none at all; or a picture cannot be read.
    """
    if is_sample(source):
        raise DataError(f"`{source}` is a built-in set of pictures with masks; give a folder with one folder a class.")
    folder = existing_folder(source)
    ledger = Ledger(skip=frozenset(path.absolute() for path in skip))
    places = {split: place for split, place in split_folders(folder).items() if not _unlabelled(split, place)}
    places = places or {"train": folder}
    if "train" not in places:
        raise DataError(
            f"`{folder}` has no train/ beside `{next(iter(places.values())).name}/`: add one folder a class."
        )
    names = tuple(path.name for path in _class_folders(places["train"]))
    if len(names) < 2:
        raise DataError(
            f"`{places['train']}` holds {len(names)} folders of pictures, but a classification needs two at least: "
            "make one for each class, as in train/cat/1.jpg."
        )
    if any(pair <= set(names) for pair in OF_SEGMENTATION):
        raise DataError(
            f"`{folder}` holds {' and '.join(names)}, pictures with masks and not one folder a class; leave "
            "`--task classification` out."
        )
    if classes is not None and classes.names != names:
        raise DataError(f"`{folder}` has other classes than the training that goes on: restore its folders.")
    known = classes or Classes(names, tuple(default_colour(index) for index in range(len(names))))
    found = {split: _pictures(place, known, ledger) for split, place in places.items()}
    if ledger.problems:
        raise DataError(ledger.problems[0].sentence)
    pixels = pixels or pixel_format([path for pictures in found.values() for _, path, _ in pictures], max_pixels)
    splits, layout = completed(
        {
            split: tuple(LabelledSample(*picture, known, pixels=pixels, max_pixels=max_pixels) for picture in pictures)
            for split, pictures in found.items()
        },
        ("ImageNet's folders, one a class" if all(map(WNID.fullmatch, names)) else "one folder a class")
        + (f" within {' and '.join(f'{split}/' for split in places)}" if len(places) > 1 else ""),
    )
    return Dataset(name_of(source), layout, known, splits, pixels)


def _unlabelled(split: str, place: Path) -> bool:
    """Whether a split holds bare pictures, as ImageNet's archives of test images do.

    Raises:
        DataError: so does another split than test/.
    """
    bare = not _class_folders(place) and any(path.suffix.lower() in IMAGE_EXTENSIONS for path in place.iterdir())
    if bare and split != "test":
        raise DataError(
            f"`{place}` holds pictures without a folder a class, as ImageNet's archive of validation images does: move "
            f"each into the folder of its class, which ILSVRC2012_validation_ground_truth.txt tells."
        )
    return bare


def _class_folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(place: Path, classes: Classes, ledger: Ledger) -> list[tuple[str, Path, int]]:
    """Name, file and label of each picture of a split."""
    found: list[tuple[str, Path, int]] = []
    for folder in _class_folders(place):
        if folder.name not in classes.names:
            raise DataError(f"`{folder}` is a class that train/ has not: move its pictures or add them there, too.")
        pictures = pictures_in(folder, IMAGE_EXTENSIONS, ledger)
        if not pictures:
            raise DataError(f"`{folder}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put some there.")
        label = classes.names.index(folder.name)
        found += [(f"{folder.name}/{name}", path, label) for name, path in pictures.items() if not ledger.skips(path)]
    return found
