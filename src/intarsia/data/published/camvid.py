"""CamVid in the split of SegNet: train/, val/, test/ with trainannot/ … beside them, or train_labels/ … in colours.

Brostow et al., Segmentation and Recognition using Structure from Motion Point Clouds, ECCV 2008; the 11 classes, which
join the 32 colours of the original, are those of SegNet (Badrinarayanan et al., arXiv:1511.00561).
"""

from pathlib import Path

from intarsia.data.classes import Classes
from intarsia.data.colours import Colour
from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Found, Ledger, Pair, child, ending_with, matched, no_masks, pictures_in, split_folders
from intarsia.data.masks import MASK_EXTENSIONS, decode_mask
from intarsia.data.spelling import Spelling
from intarsia.data.split import completed
from intarsia.errors import DataError
from intarsia.shapes import IGNORE

_JOINED: dict[str, tuple[Colour, ...]] = {  # the first colour is the class's own
    "sky": ((128, 128, 128),),
    "building": ((128, 0, 0), (0, 128, 64), (64, 192, 0), (64, 0, 64), (192, 0, 128)),  # bridge, wall, tunnel, archway
    "pole": ((192, 192, 128), (0, 0, 64)),  # traffic cone
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64)),  # both kinds of lane markings
    "pavement": ((0, 0, 192), (64, 192, 128), (128, 128, 192)),  # parking block, road shoulder
    "tree": ((128, 128, 0), (192, 192, 0)),  # other vegetation
    "sign": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),  # other text, traffic light
    "fence": ((64, 64, 128),),
    "car": ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),  # truck, bus, train, moving
    "pedestrian": ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),  # child, pram, animal
    "bicyclist": ((0, 128, 192), (192, 0, 192)),  # motorcycle, scooter
}
_VOID: Colour = (0, 0, 0)
_SEQUENCES = ("0001TP_", "0006R0_", "0016E5_", "Seq05VD_")  # with which all frames' names begin

COLOURS = Spelling(
    "CamVid's colours",
    colours=(
        *((colour, place) for place, colours in enumerate(_JOINED.values()) for colour in colours),
        (_VOID, IGNORE),
    ),
)
NUMBERS = Spelling("SegNet's numbers of CamVid", values=(*range(len(_JOINED)), IGNORE))  # 11 is void


def find_camvid(folder: Path, ledger: Ledger) -> Found | None:
    """The pairs of a folder in CamVid's layout, or None if no split has its masks beside it or the names are others.

    Masks may be called like their images, or so and `_L`; the first one tells whether they hold colours or numbers.

    Raises:
        DataError: a split has no masks, or no image.
    """
    images = split_folders(folder)
    masks = {split: _masks_beside(path) for split, path in images.items()}
    if not any(masks.values()) or not any(map(_is_of_camvid, images.values())):
        return None
    splits: dict[str, tuple[Pair, ...]] = {}
    for split, place in masks.items():
        if place is None:
            missing = images[split].name + "annot"
            raise DataError(f"`{images[split]}` has no masks beside it: add `{folder / missing}`.")
        splits[split] = _pairs(images[split], place, ledger)
    splits, words = completed(splits, f"CamVid in SegNet's split: {len(_JOINED)} classes")
    classes = Classes(tuple(_JOINED), tuple(colours[0] for colours in _JOINED.values()))
    return Found(folder, words, splits, classes, _spelling(splits))


def _masks_beside(images: Path) -> Path | None:
    return child(images.parent, f"{images.name.lower()}annot") or child(images.parent, f"{images.name.lower()}_labels")


def _is_of_camvid(images: Path) -> bool:
    return any(path.name.startswith(_SEQUENCES) for path in images.iterdir())


def _pairs(images: Path, masks: Path, ledger: Ledger) -> tuple[Pair, ...]:
    pictures, labels = pictures_in(images, IMAGE_EXTENSIONS, ledger), pictures_in(masks, MASK_EXTENSIONS, ledger)
    if not pictures:
        raise DataError(f"`{images}` holds no image ({', '.join(sorted(IMAGE_EXTENSIONS))}): put the frames there.")
    if not labels:
        raise no_masks(masks)
    suffixed = all(name.endswith("_L") for name in labels)
    labels = ending_with(labels, "_L") if suffixed else labels
    return matched(pictures, labels, (images, ".png"), (masks, "_L.png" if suffixed else ".png"), ledger)


def _spelling(splits: dict[str, tuple[Pair, ...]]) -> Spelling:
    """How the first mask that can be read is written; a broken one is for the checks to name."""
    for pair in (pair for pairs in splits.values() for pair in pairs):
        try:
            return COLOURS if decode_mask(pair.mask).ndim == 3 else NUMBERS
        except DataError:
            continue
    return NUMBERS
