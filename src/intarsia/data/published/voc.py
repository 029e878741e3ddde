"""The layout of PASCAL VOC: JPEGImages/, SegmentationClass/ and lists in ImageSets/Segmentation/.

Everingham et al., The PASCAL Visual Object Classes (VOC) challenge, IJCV 88 (2010).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from intarsia.data.classes import Classes
from intarsia.data.colours import voc_colour
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Found, Ledger, Pair, no_masks, paired, pictures_in, read_text
from intarsia.data.masks import MASK_EXTENSIONS
from intarsia.data.split import completed, split_by_hash
from intarsia.errors import ArgumentError, DataError

_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
)


def find_voc(folder: Path, ledger: Ledger) -> Found | None:
    """The pairs of a folder in VOC's layout, at the folder itself or one or two folders down; None if there is none.

    Raises:
        DataError: several such folders, no mask, or a list is empty.
    """
    roots = [root for root in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))) if is_voc(root)]
    if not roots:
        return None
    if len(roots) > 1 and folder not in roots:
        raise DataError(f"`{folder}` holds `{roots[0]}` and `{roots[1]}`, both in VOC's layout: name one of them.")
    root = roots[0]
    lists = read_lists(root)
    if lists:
        files = VocFiles.of(root, ledger)
        pairs = {name: files.pairs(name, ids, ledger) for name, ids in lists.items()}
        pairs = {name: found for name, found in pairs.items() if found}
        if not pairs and not ledger.problems:
            raise DataError(
                f"`{root}` has a test list only, and none of its images has a mask: add masks, or other lists."
            )
        splits, layout = completed(pairs, f"VOC with the lists {' and '.join(lists)}")
        return Found(root, layout, splits, _classes(root))
    labelled = paired(
        root / "JPEGImages", voc_masks(root), ledger, skip_unmasked=True
    )  # VOC labels a quarter of its images only
    if not labelled and not ledger.problems:
        raise no_masks(voc_masks(root))
    splits, words = split_by_hash(labelled)
    return Found(root, f"VOC without lists; {words}", splits, _classes(root))


def _classes(root: Path) -> Classes | None:
    """The classes of a VOC folder: those in labelme's class_names.txt, or VOC's own if it is named VOC20xx."""
    listing = root / "class_names.txt"
    if listing.is_file():
        names = [line.strip() for line in read_text(listing).splitlines()]
        names = [name for name in names if name and name != "__ignore__"]
        try:
            return Classes(tuple(names), tuple(voc_colour(i) for i in range(len(names))))
        except ArgumentError as error:
            raise DataError(f"`{listing}` holds a mistake: {error}") from None
    if re.fullmatch(r"VOC20\d\d", root.resolve().name):
        return voc_classes()
    return None


def voc_classes() -> Classes:
    """VOC's 21 classes with its colours."""
    return Classes(_NAMES, tuple(voc_colour(i) for i in range(len(_NAMES))))


def is_voc(folder: Path) -> bool:
    """Whether a folder holds VOC's two."""
    return (folder / "JPEGImages").is_dir() and voc_masks(folder).is_dir()


def voc_masks(root: Path) -> Path:
    """SegmentationClass/, or labelme's SegmentationClassPNG/, beside which SegmentationClass/ holds NumPy files."""
    png = root / "SegmentationClassPNG"
    return png if png.is_dir() else root / "SegmentationClass"


def lists_folder(root: Path) -> Path:
    """Where VOC's lists lie."""
    return root / "ImageSets" / "Segmentation"


def read_lists(root: Path) -> dict[str, tuple[str, ...]]:
    """The ids in train.txt, val.txt and test.txt; trainval.txt stands for train where both others are missing."""
    folder = lists_folder(root)
    files = {name: folder / f"{name}.txt" for name in ("train", "val", "test") if (folder / f"{name}.txt").is_file()}
    if "train" not in files and "val" not in files and (folder / "trainval.txt").is_file():
        files = {"train": folder / "trainval.txt", **files}
    return {name: read_list(path) for name, path in files.items()}


def read_list(path: Path) -> tuple[str, ...]:
    """The ids in a list, one a line, each once.

    Raises:
        DataError: it is empty.
    """
    lines = (line.strip() for line in read_text(path).splitlines())
    ids = tuple(dict.fromkeys(line for line in lines if line))
    if not ids:
        raise DataError(f"`{path}` lists no image: fill it, or delete it to have the split made by hash of the names.")
    return ids


@dataclass(frozen=True)
class VocFiles:
    """The images and masks of a VOC folder by id, and the folder of the lists that name them."""

    lists: Path
    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    places: tuple[Path, Path]  # where images and masks belong

    @classmethod
    def of(cls, root: Path, ledger: Ledger) -> "VocFiles":
        """The files of a folder."""
        places = root / "JPEGImages", voc_masks(root)
        images, masks = (
            pictures_in(places[0], IMAGE_EXTENSIONS, ledger),
            pictures_in(places[1], MASK_EXTENSIONS, ledger),
        )
        return cls(lists_folder(root), images, masks, places)

    def pairs(self, split: str, ids: Iterable[str], ledger: Ledger) -> tuple[Pair, ...]:
        """The pairs of the listed ids; images of the test split may lack a mask, and are left out."""
        pairs = []
        for name in ids:
            image, mask = (files.get(normalize("NFC", name)) for files in (self.images, self.masks))
            if ledger.skips(image or self.places[0] / name, mask or self.places[1] / name):
                continue
            if image is None:
                self._note(split, name, "image", self.places[0], ledger)
            elif mask is not None:
                pairs.append(Pair(name, image, mask))
            elif split != "test":
                self._note(split, name, "mask", self.places[1], ledger)
        return tuple(pairs)

    def _note(self, split: str, name: str, kind: str, folder: Path, ledger: Ledger) -> None:
        ledger.note(
            folder / name,
            f"The {split} list in `{self.lists}` names `{name}`, but `{folder}` holds no {kind} of that name: add the "
            f"{kind} or strike the line.",
        )
