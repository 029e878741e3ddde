import re

import pytest

from intarsia.data import open_dataset
from intarsia.data.colours import voc_colour
from intarsia.errors import DataError


@pytest.fixture
def voc(put, tmp_path):
    """Write images and masks `a` … of the given ids, and lists, below a folder of tmp_path."""

    def write(ids, lists, below=".", unmasked=""):
        for name in ids:
            put(f"{below}/JPEGImages/{name}.jpg")
            if name not in unmasked:
                put(f"{below}/SegmentationClass/{name}.png")
        for name, listed in lists.items():
            path = tmp_path / below / "ImageSets" / "Segmentation" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in listed))

    return write


def _names(dataset):
    return {split: "".join(sample.name for sample in samples) for split, samples in dataset.splits.items()}


@pytest.mark.parametrize("below", [".", "VOC", "VOCdevkit/VOC"])
@pytest.mark.parametrize(
    ("lists", "expected", "layout"),
    [
        ({"train": "ca", "val": "b"}, {"train": "ca", "val": "b"}, "VOC with the lists train and val"),
        (
            {"train": "ca", "val": "b", "trainval": "abc"},
            {"train": "ca", "val": "b"},
            "VOC with the lists train and val",
        ),
        ({"train": "a", "val": "b", "test": "cd"}, {"train": "a", "val": "b", "test": "c"}, "train and val and test"),
        ({"train": ["a", "", "a", "b"]}, {"train": "b", "val": "a"}, "the lists train; 1 of 2 became val"),
        ({"trainval": "ab"}, {"train": "b", "val": "a"}, "1 of 2 became val"),
        ({}, {"train": "bc", "val": "a"}, "VOC without lists; 1 of 3 became val"),
    ],
)
def test_lists_make_the_splits(voc, tmp_path, below, lists, expected, layout):
    voc("abcd", lists, below, unmasked="d")
    dataset = open_dataset(tmp_path)
    assert _names(dataset) == expected
    assert layout in dataset.layout
    assert dataset.split("val")[0].mask().tolist() == [[0, 1, 1], [0, 0, 2]]


@pytest.mark.parametrize("folder", ["VOC2007", "VOCdevkit/VOC2012"])
def test_a_folder_named_voc_has_its_21_classes_with_their_colours(voc, tmp_path, folder):
    voc("ab", {}, folder)
    classes = open_dataset(tmp_path / folder.split("/")[0]).classes
    assert classes.count == 21
    assert (classes.names[15], classes.colours[15]) == ("person", voc_colour(15))
    assert classes.encoding == "index"


def test_labelmes_export_names_its_classes(voc, put, tmp_path):
    voc("ab", {})
    for name in "ab":  # labelme puts NumPy files into SegmentationClass/ and the pictures beside it
        (tmp_path / "SegmentationClass" / f"{name}.png").rename(tmp_path / "SegmentationClass" / f"{name}.npy")
        put(f"SegmentationClassPNG/{name}.png")
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\ncat\ndog\n")
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == ("_background_", "cat", "dog")
    assert _names(dataset) == {"train": "b", "val": "a"}


@pytest.mark.parametrize(("text", "sentence"), [("a\na\n", "the name `a` is used twice"), ("", "not 0")])
def test_a_broken_class_names_txt_is_named(voc, tmp_path, text, sentence):
    voc("ab", {})
    (tmp_path / "class_names.txt").write_text(text)
    with pytest.raises(DataError, match=f"class_names.txt` holds a mistake: .*{sentence}"):
        open_dataset(tmp_path)


def test_classes_json_comes_before_what_the_folders_name_says(voc, tmp_path):
    voc("ab", {}, "VOC2012")
    (tmp_path / "VOC2012" / "classes.json").write_text('[{"name": "x"}, {"name": "y"}, {"name": "z"}]')
    assert open_dataset(tmp_path).classes.names == ("x", "y", "z")


@pytest.mark.parametrize(
    ("lists", "unmasked", "sentence"),
    [
        (
            {"train": "az", "val": "b"},
            "",
            "The train list in `{}/ImageSets/Segmentation` names `z`, but `{}/JPEGImages`",
        ),
        (
            {"train": "a", "val": "b"},
            "b",
            "The val list in `{}/ImageSets/Segmentation` names `b`, but `{}/SegmentationClass`",
        ),
        (
            {"test": "z"},
            "",
            "The test list in `{}/ImageSets/Segmentation` names `z`, but `{}/JPEGImages` holds no image",
        ),
        ({"train": "a", "val": ""}, "", "{}/ImageSets/Segmentation/val.txt` lists no image: fill it, or delete it"),
        ({"test": "b"}, "b", "has a test list only, and none of its images has a mask"),
        ({}, "ab", "{}/SegmentationClass` holds no mask"),
    ],
)
def test_each_mistake_has_its_sentence(voc, tmp_path, lists, unmasked, sentence):
    voc("ab", lists, unmasked=unmasked)
    (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=re.escape(sentence.replace("{}", str(tmp_path)))):
        open_dataset(tmp_path)


def test_two_folders_in_vocs_layout_must_be_told_apart(voc, tmp_path):
    voc("ab", {}, "VOC2007")
    voc("ab", {}, "VOC2012")
    with pytest.raises(DataError, match=r"holds `.*VOC2007` and `.*VOC2012`, both in VOC's layout: name one of them"):
        open_dataset(tmp_path)
