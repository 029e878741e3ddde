"""The layouts of published sets: a sentence for each missing part and for each mask that is not as it was published."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from miniatures import write_ade20k, write_camvid, write_cityscapes, write_sbd_mask, write_voc_with_sbd
from PIL import Image

from intarsia.data import Dataset, open_dataset
from intarsia.data.checking import check
from intarsia.errors import DataError

VOC, SBD = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"
LISTS = f"{VOC}/ImageSets/Segmentation"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


def _empty(*paths: str) -> Callable[[Path], None]:
    """Remove folders or files, or empty a folder whose path ends in a slash."""

    def act(root: Path) -> None:
        for path in paths:
            target = root / path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink()
            if path.endswith("/"):
                target.mkdir()

    return act


def _blank(path: str, value: int = 200) -> Callable[[Path], None]:
    return lambda root: Image.fromarray(np.full((40, 48), value, np.uint8)).save(root / path)


def _rows(count: int, name: str) -> Callable[[Path], object]:
    return lambda root: (root / "objectInfo150.txt").write_text("\n".join(["Idx"] + [f"1\t{name}"] * count))


def _stray_colour(root: Path) -> None:
    Image.fromarray(np.full((40, 48, 3), 7, np.uint8)).save(root / "val_labels/0001TP_2_L.png")


AACHEN = "gtFine/train/aachen/aachen_000000_000010_gtFine_labelIds.png"
COLOURED = partial(write_camvid, colours=True)
MISTAKES: list[tuple[Callable[[Path], Path], Callable[[Path], object], str]] = [
    (write_voc_with_sbd, _empty("VOCdevkit"), "without VOC 2012, whose lists and images it needs: unpack VOCdevkit/"),
    (write_voc_with_sbd, _empty(f"{LISTS}/val.txt"), "There is no list `{}/VOCdevkit/VOC2012/ImageSets/Segm"),
    (write_voc_with_sbd, _empty(f"{SBD}/train.txt"), "There is no list `{}/benchmark_RELEASE/dataset/train.txt`"),
    (write_voc_with_sbd, _empty(f"{SBD}/cls/e.mat"), "trainaug list in `{}/VOCdevkit/VOC2012/ImageSets/Segmentation` "),
    (
        write_voc_with_sbd,
        lambda root: shutil.copytree(root / SBD, root / "x"),
        "{}/benchmark_RELEASE/dataset`, two sets of one kind: keep one.",
    ),
    (write_cityscapes, _empty("gtFine"), "has leftImg8bit/ but no gtFine/: unpack gtFine_trainvaltest.zip there, too"),
    (write_cityscapes, _empty("leftImg8bit"), "has gtFine/ but no leftImg8bit/: unpack leftImg8bit_trainvaltest.zip"),
    (write_cityscapes, _empty("gtFine/val"), "There is no `{}/gtFine/val`, which Cityscapes has: unpack the whole"),
    (write_cityscapes, _empty("gtFine/train/"), "gtFine/train` holds no *_gtFine_labelIds.png: unpack gtFine_"),
    (write_cityscapes, _empty("leftImg8bit/val/"), "leftImg8bit/val` holds no *_leftImg8bit.png: unpack leftImg8bit_"),
    (write_cityscapes, _empty(AACHEN), f"_leftImg8bit.png` has no mask: draw `{{}}/{AACHEN}`"),
    (write_ade20k, _empty("annotations/validation"), "There is no `{}/annotations/validation`, which ADE20K has"),
    (write_ade20k, _empty("images/training"), "There is no `{}/images/training`, which ADE20K has: unpack the whole"),
    (write_ade20k, _rows(3, "wall"), "objectInfo150.txt` names 3 classes, not 150: restore it, or delete it."),
    (write_ade20k, _rows(150, "wall"), "objectInfo150.txt` names a class twice or not at all: restore it"),
    (write_camvid, _empty("valannot"), "val` has no masks beside it: add `{}/valannot`."),
    (write_camvid, _empty("val/"), "val` holds no image (.bmp, .jpeg, "),
    (write_camvid, _empty("testannot/"), "testannot` holds no mask (.bmp, "),
]


@pytest.mark.parametrize(("write", "spoil", "sentence"), MISTAKES)
def test_each_missing_part_has_its_sentence(
    tmp_path: Path, write: Callable[[Path], Path], spoil: Callable[[Path], object], sentence: str
) -> None:
    root = write(tmp_path / "set")
    spoil(root)
    with pytest.raises(DataError, match=re.escape(sentence.replace("{}", str(root)))):
        open_dataset(root)


BAD_MASKS: list[tuple[Callable[[Path], Path], Callable[[Path], object], str]] = [
    (write_cityscapes, _blank(AACHEN), "the value 200, but Cityscapes' label ids are 0 … 33: restore the published"),
    (write_camvid, _blank("valannot/0001TP_2.png", 12), "the value 12, but SegNet's numbers of CamVid are 0 … 11"),
    (COLOURED, _stray_colour, "holds (7, 7, 7), which is none of CamVid's colours: restore the published file"),
    (COLOURED, _blank("val_labels/0001TP_2_L.png"), "holds numbers, but CamVid's colours are RGB colours: restore"),
    (
        write_voc_with_sbd,
        lambda root: write_sbd_mask(np.zeros((3, 4, 2)), root / SBD / "cls/e.mat"),
        "e.mat` holds no matrix GTcls.Segmentation of bytes: restore the published file",
    ),
    (write_voc_with_sbd, lambda root: (root / SBD / "cls/e.mat").write_bytes(b"?"), "truncated or not an image"),
    (write_voc_with_sbd, lambda root: write_sbd_mask(np.zeros((3, 4)), root / SBD / "cls/e.mat"), "has 3 × 4: they"),
]


@pytest.mark.parametrize(("write", "spoil", "sentence"), BAD_MASKS)
def test_each_bad_mask_has_its_sentence(
    tmp_path: Path, write: Callable[[Path], Path], spoil: Callable[[Path], object], sentence: str
) -> None:
    root = write(tmp_path / "set")
    spoil(root)
    report = check(root)
    assert any(sentence in error.sentence for error in report.errors)
    with pytest.raises(DataError, match=re.escape(sentence)):
        _read_all(open_dataset(root))


def _read_all(dataset: Dataset) -> list[object]:
    return [sample.mask() for samples in dataset.splits.values() for sample in samples]
