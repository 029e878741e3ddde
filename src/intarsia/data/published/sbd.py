"""VOC 2012 with the masks of the Semantic Boundaries Dataset: the 10,582 images that most papers call trainaug.

Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011. Where both sets have a mask, VOC's is taken.
"""

from pathlib import Path

from intarsia.data.images import IMAGE_EXTENSIONS
from intarsia.data.listing import Found, Ledger, pictures_in
from intarsia.data.published.voc import VocFiles, is_voc, lists_folder, read_list, voc_classes
from intarsia.errors import DataError


def find_sbd(folder: Path, ledger: Ledger) -> Found | None:
    """The pairs of VOC 2012 and of the Semantic Boundaries Dataset below one folder, or None without the latter.

    Both may lie at the folder itself or one or two folders down, as VOCdevkit/VOC2012/ and benchmark_RELEASE/dataset/
    do. The splits are VOC's train, val and trainval (the two together), and trainaug: VOC's train and all of the other
    set but VOC's val.

    Raises:
        DataError: VOC or one of its lists is missing, or there are several of either.
    """
    below = (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/")))
    others = [place for place in below if _is_sbd(place)]
    if not others:
        return None
    ours = [place for place in below if is_voc(place)]
    if not ours:
        raise DataError(
            f"`{others[0]}` holds the Semantic Boundaries Dataset without VOC 2012, whose lists and images it needs: "
            f"unpack VOCdevkit/ beside it and name the folder that holds both."
        )
    for places in (ours, others):
        if len(places) > 1:
            raise DataError(f"`{folder}` holds `{places[0]}` and `{places[1]}`, two sets of one kind: keep one.")
    voc, sbd = ours[0], others[0]
    ids = {split: _list(lists_folder(voc) / f"{split}.txt") for split in ("train", "val")}
    both = (*(_list(sbd / "train.txt")), *(_list(sbd / "val.txt")))
    judged = frozenset(ids["val"])
    ids["trainaug"] = tuple(dict.fromkeys(name for name in (*ids["train"], *both) if name not in judged))
    ids["trainval"] = (*ids["train"], *ids["val"])
    files = _joined(voc, sbd, ledger)
    splits = {split: files.pairs(split, names, ledger) for split, names in ids.items()}
    splits = {split: pairs for split, pairs in splits.items() if pairs}
    layout = f"VOC 2012 with the Semantic Boundaries Dataset: {' and '.join(splits)}"
    return Found(voc, layout, splits, voc_classes(), apart=("trainaug", "val"))


def _is_sbd(place: Path) -> bool:
    return (place / "cls").is_dir() and next((place / "cls").glob("*.mat"), None) is not None


def _list(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise DataError(f"There is no list `{path}`, without which trainaug is not known: restore it.")
    return read_list(path)


def _joined(voc: Path, sbd: Path, ledger: Ledger) -> VocFiles:
    """The files of both sets under one name each; VOC's come first."""
    own = VocFiles.of(voc, ledger)
    images = pictures_in(sbd / "img", IMAGE_EXTENSIONS, ledger) if (sbd / "img").is_dir() else {}
    masks = pictures_in(sbd / "cls", {".mat"}, ledger)
    return VocFiles(own.lists, {**images, **own.images}, {**masks, **own.masks}, (own.places[0], sbd / "cls"))
