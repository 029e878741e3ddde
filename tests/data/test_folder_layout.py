import re

import pytest

from intarsia.data import open_dataset
from intarsia.data.depth.layouts import find_plain
from intarsia.data.listing import Ledger
from intarsia.errors import DataError


def _names(dataset):
    return {split: sorted(sample.name for sample in samples) for split, samples in dataset.splits.items()}


ONE_IN_EACH = {"train": ["a"], "val": ["b"], "test": ["c"]}


@pytest.mark.parametrize(
    ("files", "names", "layout"),
    [
        ("train/images/a val/images/b test/images/c", ONE_IN_EACH, "images/ + masks/ within train/ and val/ and test/"),
        (
            "images/train/a images/val/b images/test/c",
            ONE_IN_EACH,
            "images/ + masks/ with train/ and val/ and test/ below",
        ),
        ("training/Images/a Valid/images/b testing/images/c", ONE_IN_EACH, "within train/ and val/ and test/"),
        ("images/train/a images/validation/b images/Test/c", ONE_IN_EACH, "with train/ and val/ and test/ below"),
        ("train/images/x/y/a val/images/a", {"train": ["x/y/a"], "val": ["a"]}, "within train/ and val/"),
        ("images/a images/b", {"train": ["b"], "val": ["a"]}, "images/ + masks/ without a split; 1 of 2 became val"),
        ("images/x/a images/y/a", {"train": ["y/a"], "val": ["x/a"]}, "without a split; 1 of 2 became val"),
        ("images/a", {"train": ["a"], "val": ["a"]}, "without a split; the only image serves as train and as val"),
        ("train/images/a train/images/b", {"train": ["b"], "val": ["a"]}, "within train/; 1 of 2 became val"),
        ("images/train/a images/train/b", {"train": ["b"], "val": ["a"]}, "with train/ below; 1 of 2 became val"),
        ("test/images/c", {"test": ["c"]}, "images/ + masks/ within test/"),
    ],
)
def test_each_place_of_the_split_is_recognised_and_said(put, tmp_path, files, names, layout):
    for file in files.split():
        put(f"{file}.jpg")
        put(f"{file.replace('images', 'masks').replace('Images', 'Masks')}.png")
    dataset = open_dataset(tmp_path)
    assert _names(dataset) == names
    assert layout in dataset.layout
    assert dataset.name == tmp_path.name
    for samples in dataset.splits.values():
        assert samples[0].image().shape == (2, 3, 3)
        assert samples[0].mask().tolist() == [[0, 1, 1], [0, 0, 2]]


@pytest.mark.parametrize("place", ["{}", "train/{}", "{}/train"])
def test_a_folder_of_masks_and_depths_says_which_it_took(put, tmp_path, place):
    for part in ("images", "masks", "depth"):
        for name in "ab":
            put(place.format(part) + f"/{name}.{'jpg' if part == 'images' else 'png'}")
    assert "depth/ beside them is left aside, `--task depth` takes it" in open_dataset(tmp_path).layout
    assert "masks/ beside them is left aside, `--task segmentation` takes it" in _depth_layout(tmp_path)


def _depth_layout(root):
    found = find_plain(root, Ledger())
    assert found is not None
    return found.layout


def test_extensions_may_differ_and_other_files_do_not_matter(put, tmp_path):
    for image, mask in [("a.JPG", "a.png"), ("b.c.tiff", "b.c.tif"), ("d.webp", "d.bmp")]:
        put(f"images/{image}")
        put(f"masks/{mask}")
    put("images/.hidden.jpg")
    put("masks/.ipynb_checkpoints/x.png")
    for name in ("images/Thumbs.db", "masks/notes.txt", "images/.DS_Store"):
        (tmp_path / name).write_text("")
    assert {name for names in _names(open_dataset(tmp_path)).values() for name in names} == {"a", "b.c", "d"}


@pytest.mark.parametrize("place", ["test/images/{}", "images/test/{}"])
def test_images_of_the_test_split_may_lack_a_mask(put, tmp_path, place):
    for name in ("train", "val"):
        put(place.replace("test", name).format("a.jpg"))
        put(place.replace("test", name).replace("images", "masks").format("a.png"))
    put(place.format("c.jpg"))
    assert list(open_dataset(tmp_path).splits) == ["train", "val"]
    put(place.format("d.jpg"))
    put(place.replace("images", "masks").format("d.png"))
    assert _names(open_dataset(tmp_path))["test"] == ["d"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ("photo.jpg", "holds no layout that is known: put photographs into `images/`"),
        (
            "images/a.jpg",
            "has images/ but no masks/: put a mask for each image into `{}/masks`, or a depth into `{}/depth`",
        ),
        ("masks/a.png", "has masks/ but no images/: put the photographs into `{}/images`"),
        ("images/a.txt masks/a.png", "{}/images` holds no image (.bmp, .jpeg"),
        ("images/a.jpg masks/a.txt", "{}/masks` holds no mask (.bmp, .npy, .png"),
        ("images/a.jpg masks/a.jpg", "JPEG blurs class indices, so save the masks as PNG"),
        ("images/a.jpg images/b.jpg masks/a.png", "{}/images/b.jpg` has no mask: draw `{}/masks/b.png`, or leave"),
        (
            "images/a.jpg masks/b.png",
            "{}/images/a.jpg` has no mask: draw `{}/masks/a.png`, or leave the image out. 1 more files are in the way; "
            "`intarsia check {}` lists them all",
        ),
        ("images/a.jpg masks/a.png masks/b.png", "{}/masks/b.png` has no image: add `{}/images/b.jpg`"),
        ("images/a.jpg images/a.png masks/a.png", "have the same name but for the extension: keep one of them"),
        ("images/a.jpg masks/a.tif masks/a.png", "have the same name but for the extension: keep one of them"),
        ("train/images/a.jpg train/masks/a.png images/a.jpg", "holds `images/` beside `train/`, which has its own"),
        ("train/images/a.jpg val/images/a.jpg val/masks/a.png", "{}/train` has images/ but no masks/"),
        (
            "train/images/a.jpg train/masks/a.png training/images/b.jpg training/masks/b.png",
            "both mean the split `train`",
        ),
        ("images/train/a.jpg images/b.jpg masks/train/a.png", "{}/images/b.jpg` stands beside `{}/images/train`"),
        ("images/train/a.jpg images/val/b.jpg masks/train/a.png", "{}/images/val` has no counterpart in `{}/masks`"),
        ("images/train/a.jpg masks/train/a.png masks/val/b.png", "{}/masks/val` has no counterpart in `{}/images`"),
        ("images/train/a.jpg masks/a.png", "{}/images/train` has no counterpart in `{}/masks`: put its masks"),
        ("test/images/a.jpg", "has a test split only, and none of its images has a mask"),
    ],
)
def test_each_mistake_has_its_sentence(put, tmp_path, files, sentence):
    for file in files.split():
        if file.endswith(".txt"):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text("")
        else:
            put(file)
    with pytest.raises(DataError, match=re.escape(sentence.replace("{}", str(tmp_path)))):
        open_dataset(tmp_path)


def test_what_is_skipped_takes_its_partner_along(put, tmp_path):
    for name in "abcd":
        put(f"images/train/{name}.jpg")
        put(f"masks/train/{name}.png")
        put(f"images/val/{name}.jpg")
        put(f"masks/val/{name}.png")
    put("images/train/alone.jpg")
    skip = [tmp_path / "images/train/a.jpg", tmp_path / "masks/train/b.png", tmp_path / "images/train/alone.jpg"]
    dataset = open_dataset(tmp_path, skip=skip)
    assert _names(dataset) == {"train": ["c", "d"], "val": ["a", "b", "c", "d"]}


def test_of_two_files_of_one_name_the_one_that_is_not_skipped_is_taken(put, tmp_path):
    for name in ("images/a.jpg", "images/a.png", "masks/a.png"):
        put(name)
    for kept, left in (("a.jpg", "a.png"), ("a.png", "a.jpg")):
        (sample,) = open_dataset(tmp_path, skip=[tmp_path / "images" / left]).split("train")
        assert sample.image_path.name == kept


def test_accents_may_be_composed_in_one_name_and_not_in_the_other(put, tmp_path):
    put("images/e\u0301te\u0301.jpg")
    put("masks/\u00e9t\u00e9.png")
    assert _names(open_dataset(tmp_path))["train"] == ["\u00e9t\u00e9"]


def test_nothing_left_is_said(put, tmp_path):
    put("images/a.jpg")
    put("masks/a.png")
    with pytest.raises(DataError, match="holds no pair of image and mask that is not left out"):
        open_dataset(tmp_path, skip=[tmp_path / "images/a.jpg"])
