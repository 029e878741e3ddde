"""The layouts of published sets: what is recognised, which classes the masks become, and what is refused how."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from miniatures import (
    CAMVID_COLOURS,
    MINIATURES,
    scene,
    write_ade20k,
    write_camvid,
    write_cityscapes,
    write_imagenet,
    write_sbd_mask,
    write_voc_with_sbd,
)
from PIL import Image

from intarsia.data import Dataset, open_classified, open_dataset, read_mask
from intarsia.data.checking import check
from intarsia.data.published.camvid import COLOURS
from intarsia.data.published.cityscapes import LABEL_IDS
from intarsia.data.spelling import Spelling
from intarsia.errors import DataError

VOC, SBD = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"
LISTS = f"{VOC}/ImageSets/Segmentation"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


def _names(dataset: Dataset) -> dict[str, str]:
    return {split: "".join(sample.name for sample in samples) for split, samples in dataset.splits.items()}


def test_trainaug_is_both_sets_without_what_is_judged(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc_with_sbd(tmp_path / "pascal"))
    assert dataset.layout == "VOC 2012 with the Semantic Boundaries Dataset: train and val and trainaug and trainval"
    assert _names(dataset) == {"train": "ab", "val": "cd", "trainaug": "abefg", "trainval": "abcd"}
    assert dataset.classes.names[15] == "person"
    of_voc, of_sbd = (dataset.split("trainaug")[place] for place in (0, 2))
    assert set(np.unique(of_voc.mask())) <= {0, 2, 15, 255}  # VOC's own mask, although the other set has one, too
    truth = scene(4, (0, 2, 15, 5))[1]
    np.testing.assert_array_equal(of_sbd.mask(), truth)
    window = (slice(3, 20), slice(10, 40))
    np.testing.assert_array_equal(of_sbd.mask(window), truth[window])
    of_sbd.mask()[0, 0] = 7  # a copy of what is kept
    np.testing.assert_array_equal(of_sbd.mask(), truth)


PUBLISHED = {  # each value of the files: the name of its class
    "Cityscapes": (partial(write_cityscapes), {7: "road", 26: "car", 33: "bicycle", 4: None}, "fine masks .labelIds."),
    "Cityscapes, train ids": (
        partial(write_cityscapes, kind="labelTrainIds"),
        {0: "road", 13: "car", 18: "bicycle", 255: None},
        "fine masks .labelTrainIds.: 19 classes",
    ),
    "ADE20K": (write_ade20k, {0: None, 1: "wall", 150: "thing 150", 4: "thing 4"}, "ADE20K, scene parsing: 150"),
    "CamVid": (write_camvid, {3: "road", 0: "sky", 11: None}, "CamVid in SegNet's split: 11 classes"),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_masks_become_the_published_classes(tmp_path: Path, case: str) -> None:
    write, names, layout = PUBLISHED[case]
    dataset = open_dataset(write(tmp_path / "set"))
    assert re.search(layout, dataset.layout)
    sizes = {split: len(samples) for split, samples in dataset.splits.items()}
    assert sizes == {"train": 2, "val": 1} | ({"test": 1} if case == "CamVid" else {})
    values = (3, 3, 0, 11) if case == "CamVid" else tuple(names)
    truth = np.vectorize(lambda value: 255 if names[value] is None else dataset.classes.names.index(names[value]))
    for seed, sample in enumerate((*dataset.split("train"), *dataset.split("val"))):
        np.testing.assert_array_equal(sample.mask(), truth(scene(seed, values)[1]))


def test_camvids_32_colours_are_joined_to_11(tmp_path: Path) -> None:
    dataset = open_dataset(write_camvid(tmp_path, colours=True))
    names = [
        (*dataset.classes.names, "void")[min(index, 11)] for index in COLOURS.indices(_row(CAMVID_COLOURS), "x")[0]
    ]
    assert names == ["road", "road", "sky", "void"]
    assert dataset.classes.colours[3] == (128, 64, 128)
    mask = dataset.split("test")[0].mask()
    np.testing.assert_array_equal(mask, np.array([3, 3, 0, 255])[scene(3, (0, 1, 2, 3))[1]])


def test_the_tables_are_complete() -> None:
    assert len(COLOURS.colours) == 32
    assert len({colour for colour, _ in COLOURS.colours}) == 32
    assert sorted(index for index in LABEL_IDS.values if index != 255) == list(range(19))


def _row(colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    return np.array([colours], np.uint8)


@pytest.mark.parametrize("name", [name for name in MINIATURES if name != "ImageNet"])
def test_a_check_counts_pixels_by_class_and_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    root = MINIATURES[name](tmp_path / "set")
    for _ in range(2):  # the second one from what was kept
        report = check(root)
        assert {finding.kind for finding in report.findings} <= {"absent"}
        dataset = report.usable()
        for split, samples in dataset.splits.items():
            counted = np.bincount(np.concatenate([sample.mask().ravel() for sample in samples]), minlength=256)
            assert list(report.pixels[split].values()) == counted[: dataset.classes.count].tolist()
        assert dataset.splits.keys() == open_dataset(root).splits.keys()


def test_what_was_kept_of_one_spelling_is_not_taken_for_another(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "set")
    check(root)
    for split in ("train", "val", "test"):  # the same files in the plain layout
        (root / split).rename(root / "frames")
        (root / split).mkdir()
        (root / "frames").rename(root / split / "images")
        (root / f"{split}annot").rename(root / split / "masks")
    assert set(check(root).pixels["val"].values()) == set(np.bincount(scene(2, (3, 3, 0, 11))[1].ravel()))


def test_the_same_image_in_trainaug_and_val_is_told(tmp_path: Path) -> None:
    root = write_voc_with_sbd(tmp_path / "pascal")
    shutil.copy(root / VOC / "JPEGImages/c.jpg", root / VOC / "JPEGImages/g.jpg")
    (leak,) = (finding for finding in check(root).findings if finding.kind == "leak")
    assert "are the same image in trainaug and val" in leak.sentence
    assert [path.name for path in leak.leave_out] == ["g.jpg"]


def test_imagenets_folders(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path / "imagenet")
    dataset = open_classified(root)
    assert dataset.layout == "ImageNet's folders, one a class within train/ and val/"
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 4, "val": 2}
    assert dataset.classes.names == ("n01440764", "n03000684")
    with pytest.raises(DataError, match=r"holds ImageNet's folders, .* with `--task classification`"):
        open_dataset(root)
    for path in sorted((root / "val").glob("*/*")):
        path.rename(root / "val" / path.name)
    for path in sorted((root / "val").glob("*/")):
        path.rmdir()
    with pytest.raises(DataError, match=r"val` holds pictures without a folder a class, .*ground_truth.txt tells"):
        open_classified(root)


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


def test_a_broken_first_mask_of_camvid_does_not_hide_how_the_others_are_written(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "set", colours=True)
    (root / "train_labels/0001TP_0_L.png").write_bytes(b"?")
    assert [error.kind for error in check(root).errors] == ["unreadable"]


def test_numbers_and_colours_are_not_mixed_up(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)
    classes = open_dataset(write_cityscapes(tmp_path / "set")).classes
    with pytest.raises(DataError, match="holds RGB colours, but Cityscapes' label ids are numbers"):
        read_mask(path, classes, spelling=LABEL_IDS)
    assert Spelling("x", values=(255, 0)).indices(np.array([[True, False]]), path).tolist() == [[0, 255]]


def test_other_sets_with_annotations_are_told_the_plain_layout(tmp_path: Path) -> None:
    root = write_ade20k(tmp_path / "set")
    shutil.rmtree(root / "annotations")
    (root / "annotations").mkdir()
    with pytest.raises(DataError, match="has images/ but no masks/"):
        open_dataset(root)
