"""The layouts of published sets: what is recognised, which classes the masks become, and what is refused how."""

import re
import shutil
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


def test_other_sets_in_these_folders_are_not_taken_for_the_published_ones(tmp_path: Path) -> None:
    ade20k, camvid = write_ade20k(tmp_path / "ade"), write_camvid(tmp_path / "cam")
    (ade20k / "objectInfo150.txt").unlink()
    assert open_dataset(ade20k).classes.names[0] == "class 0"
    for root in (ade20k, camvid):
        for path in sorted(root.rglob("*.*g")):
            path.rename(path.with_name(f"street_{path.name}"))
    with pytest.raises(DataError, match="has images/ but no masks/"):
        open_dataset(ade20k)
    with pytest.raises(DataError, match="holds no layout that is known"):
        open_dataset(camvid)
