"""Cityscapes: leftImg8bit/SPLIT/CITY/*.png with gtFine/SPLIT/CITY/*.png; 34 labels become 19 classes.

Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, arXiv:1604.01685; the table is that of the
set's own scripts.
"""

from pathlib import Path

from intarsia.data.classes import Classes
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Found, Ledger, Pair, child, ending_with, matched, pictures_in
from intarsia.data.spelling import renumbered
from intarsia.errors import DataError

_CLASSES = {  # label id: name, colour; the place in the table is the training id
    7: ("road", (128, 64, 128)),
    8: ("sidewalk", (244, 35, 232)),
    11: ("building", (70, 70, 70)),
    12: ("wall", (102, 102, 156)),
    13: ("fence", (190, 153, 153)),
    17: ("pole", (153, 153, 153)),
    19: ("traffic light", (250, 170, 30)),
    20: ("traffic sign", (220, 220, 0)),
    21: ("vegetation", (107, 142, 35)),
    22: ("terrain", (152, 251, 152)),
    23: ("sky", (70, 130, 180)),
    24: ("person", (220, 20, 60)),
    25: ("rider", (255, 0, 0)),
    26: ("car", (0, 0, 142)),
    27: ("truck", (0, 0, 70)),
    28: ("bus", (0, 60, 100)),
    31: ("train", (0, 80, 100)),
    32: ("motorcycle", (0, 0, 230)),
    33: ("bicycle", (119, 11, 32)),
}
LABEL_IDS = renumbered("Cityscapes' label ids", {label: place for place, label in enumerate(_CLASSES)}, 33)

_IMAGE = "_leftImg8bit"
_MASKS = {"_gtFine_labelIds": LABEL_IDS, "_gtFine_labelTrainIds": None}  # the second are class indices already


def find_cityscapes(folder: Path, ledger: Ledger) -> Found | None:
    """The pairs of a folder that holds leftImg8bit/ and gtFine/, or None if it holds neither.

    The test split is left out: its masks are blank. Masks may be the published label ids or ready-made training ids.

    Raises:
        DataError: one of the two folders, a split or all masks of a split are missing.
    """
    images, masks = child(folder, "leftImg8bit"), child(folder, "gtFine")
    if images is None and masks is None:
        return None
    if images is None or masks is None:
        there, missing = ("gtFine", "leftImg8bit") if images is None else ("leftImg8bit", "gtFine")
        raise DataError(f"`{folder}` has {there}/ but no {missing}/: unpack {missing}_trainvaltest.zip there, too.")
    for place in (images / "train", images / "val", masks / "train", masks / "val"):
        if not place.is_dir():
            raise DataError(f"There is no `{place}`, which Cityscapes has: unpack the whole archive.")
    ending = next((ending for ending in _MASKS if next((masks / "train").glob(f"*/*{ending}.png"), None)), None)
    if ending is None:
        raise DataError(f"`{masks / 'train'}` holds no *_gtFine_labelIds.png: unpack gtFine_trainvaltest.zip.")
    splits = {split: _pairs(images / split, masks / split, ending, ledger) for split in ("train", "val")}
    classes = Classes(tuple(name for name, _ in _CLASSES.values()), tuple(colour for _, colour in _CLASSES.values()))
    words = f"Cityscapes, fine masks ({ending.rpartition('_')[2]}): {len(_CLASSES)} classes"
    return Found(folder, words, splits, classes, _MASKS[ending])


def _pairs(images: Path, masks: Path, ending: str, ledger: Ledger) -> tuple[Pair, ...]:
    pictures = ending_with(pictures_in(images, IMAGE_EXTENSIONS, ledger), _IMAGE)
    labels = ending_with(pictures_in(masks, {".png"}, ledger), ending)
    if not pictures:
        raise DataError(f"`{images}` holds no *{_IMAGE}.png: unpack leftImg8bit_trainvaltest.zip.")
    return matched(pictures, labels, (images, f"{_IMAGE}.png"), (masks, f"{ending}.png"), ledger)
