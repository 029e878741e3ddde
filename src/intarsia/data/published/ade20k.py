"""ADE20K as the scene parsing benchmark ships it: images/ and annotations/ with training/ and validation/ below.

Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017. The masks hold 0 for other things and 1 … 150 for the
classes; 0 is ignored, as in the benchmark's own evaluation.
"""

from collections import Counter
from pathlib import Path

from intarsia.data.classes import Classes
from intarsia.data.colours import default_colour
from intarsia.data.listing import Found, Ledger, child, paired, read_text, split_folders
from intarsia.data.spelling import renumbered
from intarsia.errors import DataError

_COUNT = 150
_TABLE = "objectInfo150.txt"
ONE_BASED = renumbered("ADE20K's numbers", {value: value - 1 for value in range(1, _COUNT + 1)}, _COUNT)


def find_ade20k(folder: Path, ledger: Ledger) -> Found | None:
    """The pairs of a folder in ADE20K's layout, or None if it is in another.

    The set may lie at the folder itself or in its ADEChallengeData2016/. The names come from objectInfo150.txt where
    it lies beside the folders.

    Raises:
        DataError: a split is missing, or objectInfo150.txt does not name 150 classes.
    """
    roots = [root for root in (folder, folder / "ADEChallengeData2016") if _is_ade20k(root)]
    if not roots:
        return None
    root = roots[0]
    images, masks = split_folders(root / "images"), split_folders(root / "annotations")
    for split, word in (("train", "training"), ("val", "validation")):
        for found, name in ((images, "images"), (masks, "annotations")):
            if split not in found:
                raise DataError(f"There is no `{root / name / word}`, which ADE20K has: unpack the whole archive.")
    splits = {split: paired(images[split], masks[split], ledger) for split in ("train", "val")}
    layout = f"ADE20K, scene parsing: {_COUNT} classes (0 in the files is ignored)"
    return Found(root, layout, splits, _classes(root / _TABLE), ONE_BASED)


def _is_ade20k(root: Path) -> bool:
    """Whether its masks lie in annotations/SPLIT/; others use these folders, too, without its table and its names."""
    masks = root / "annotations"
    if not (root / "images").is_dir() or not masks.is_dir() or child(root, "masks"):
        return False
    return (root / _TABLE).is_file() or next(masks.glob("*/ADE_*.png"), None) is not None


def _classes(listing: Path) -> Classes:
    """The classes by the first of the names that the table's last column gives each, or by all where that repeats."""
    if not listing.is_file():
        return Classes.numbered(_COUNT)
    rows = [line.split("\t") for line in read_text(listing).splitlines()[1:] if line.strip()]
    if len(rows) != _COUNT:
        raise DataError(f"`{listing}` names {len(rows)} classes, not {_COUNT}: restore it, or delete it.")
    whole = [row[-1].strip() for row in rows]
    first = [names.split(",")[0].strip() for names in whole]
    repeated = {name for name, count in Counter(first).items() if count > 1}
    names = tuple(all_of if name in repeated else name for name, all_of in zip(first, whole, strict=True))
    if len(set(names)) < _COUNT or not all(names):
        raise DataError(f"`{listing}` names a class twice or not at all: restore it, or delete it.")
    return Classes(names, tuple(default_colour(place) for place in range(_COUNT)))
