"""The layout of PASCAL VOC: JPEGImages/, SegmentationClass/ and lists in ImageSets/Segmentation/.

Everingham et al., The PASCAL Visual Object Classes (VOC) challenge, IJCV 88 (2010).
"""

import re
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
    roots = [root for root in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))) if _is_voc(root)]
    if not roots:
        return None
    if len(roots) > 1 and folder not in roots:
        raise DataError(f"`{folder}` holds `{roots[0]}` and `{roots[1]}`, both in VOC's layout: name one of them.")
    root = roots[0]
    lists = _read_lists(root)
    if lists:
        pairs = {name: _listed_pairs(root, name, ids, ledger) for name, ids in lists.items()}
        pairs = {name: found for name, found in pairs.items() if found}
        if not pairs and not ledger.problems:
            raise DataError(
                f"`{root}` has a test list only, and none of its images has a mask: add masks, or other lists."
            )
        splits, layout = completed(pairs, f"VOC with the lists {' and '.join(lists)}")
        return Found(root, layout, splits, _classes(root))
    labelled = paired(
        root / "JPEGImages", _masks(root), ledger, skip_unmasked=True
    )  # VOC labels a quarter of its images only
    if not labelled and not ledger.problems:
        raise no_masks(_masks(root))
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
        return Classes(_NAMES, tuple(voc_colour(i) for i in range(len(_NAMES))))
    return None


def _is_voc(folder: Path) -> bool:
    return (folder / "JPEGImages").is_dir() and _masks(folder).is_dir()


def _masks(root: Path) -> Path:
    """SegmentationClass/, or labelme's SegmentationClassPNG/, beside which SegmentationClass/ holds NumPy files."""
    png = root / "SegmentationClassPNG"
    return png if png.is_dir() else root / "SegmentationClass"


def _read_lists(root: Path) -> dict[str, tuple[str, ...]]:
    """The ids in train.txt, val.txt and test.txt; trainval.txt stands for train where both others are missing."""
    folder = root / "ImageSets" / "Segmentation"
    files = {name: folder / f"{name}.txt" for name in ("train", "val", "test") if (folder / f"{name}.txt").is_file()}
    if "train" not in files and "val" not in files and (folder / "trainval.txt").is_file():
        files = {"train": folder / "trainval.txt", **files}
    lists = {}
    for name, path in files.items():
        lines = (line.strip() for line in read_text(path).splitlines())
        lists[name] = tuple(dict.fromkeys(line for line in lines if line))
        if not lists[name]:
            raise DataError(
                f"`{path}` lists no image: fill it, or delete it to have the split made by hash of the names."
            )
    return lists


def _listed_pairs(root: Path, split: str, ids: tuple[str, ...], ledger: Ledger) -> tuple[Pair, ...]:
    """The pairs of the listed ids; images of the test split may lack a mask, and are left out."""
    images = pictures_in(root / "JPEGImages", IMAGE_EXTENSIONS, ledger)
    masks = pictures_in(_masks(root), MASK_EXTENSIONS, ledger)
    pairs = []
    for name in ids:
        image, mask = images.get(normalize("NFC", name)), masks.get(normalize("NFC", name))
        if ledger.skips(image or root / "JPEGImages" / name, mask or _masks(root) / name):
            continue
        if image is None:
            _note_missing(root, split, name, "image", root / "JPEGImages", ledger)
        elif mask is not None:
            pairs.append(Pair(name, image, mask))
        elif split != "test":
            _note_missing(root, split, name, "mask", _masks(root), ledger)
    return tuple(pairs)


def _note_missing(root: Path, split: str, name: str, kind: str, folder: Path, ledger: Ledger) -> None:
    ledger.note(
        folder / name,
        f"The {split} list in `{root / 'ImageSets' / 'Segmentation'}` names `{name}`, but `{folder}` holds no {kind} "
        f"of that name: add the {kind} or strike the line.",
    )
