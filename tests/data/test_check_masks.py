"""What a check finds in small sets of masks, and what it counts."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from intarsia.cli.main import main
from intarsia.data import open_dataset
from intarsia.data.checking import cache, check
from intarsia.data.checking.facts import PairFacts, between
from intarsia.data.classes import Classes
from intarsia.data.samples.materials import materials
from intarsia.data.skipping import read_skip_list
from intarsia.errors import DataError, IntarsiaWarning


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("move", [(6, 0), (-3, 2), (0, -7)])
def test_a_set_whose_masks_are_all_shifted_is_said_so(tmp_path, move):
    for i in range(5):
        sample = materials(train=5, val=1, size=96).split("train")[i]
        for split in ("train", "val") if i == 0 else ("train",):
            for kind, pixels in (("images", sample.image()), ("masks", np.roll(sample.mask(), move, (0, 1)))):
                path = tmp_path / kind / split / f"{i}{split}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    sentences = [finding.sentence for finding in check(tmp_path).findings if not finding.files]
    assert (
        f"Most masks are probably shifted: they should move by {-move[0]:+d} rows and {-move[1]:+d} columns."
        in sentences
    )


def test_drawn_and_interpolated_masks_are_told_apart():
    for sample in open_dataset("sample:brain").split("val"):
        mask = sample.mask()
        assert between(mask) < 0.2
        small = Image.fromarray(mask * 80).resize((90, 110), Image.Resampling.BILINEAR)
        assert between(np.array(small)) > 0.65


def _pairs(root, masks):
    for name, mask in masks.items():
        for kind, pixels in (("images", np.zeros((*mask.shape, 3))), ("masks", mask)):
            path = root / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_a_stray_index_among_inferred_classes_is_said(tmp_path):
    mask = np.arange(16).reshape(4, 4) % 3
    strange = mask.copy()
    strange[0, 0] = 77
    _pairs(tmp_path, {"a": mask, "b": strange, "c": mask})
    (gap,) = [finding for finding in check(tmp_path).findings if finding.kind == "gap"]
    assert re.search(
        r"largest class index is 77 \(in 1 masks, such as `.*b.png`\), but 74 of the indices", gap.sentence
    )


def test_one_odd_mask_among_black_and_white_ones_is_said(tmp_path):
    mask = 255 * (np.arange(16).reshape(4, 4) % 2)
    masks = {f"m{i}": mask for i in range(9)}
    _pairs(tmp_path, {**masks, "odd": mask // 255})
    (finding,) = [finding for finding in check(tmp_path).findings if finding.kind == "binary"]
    assert "9 masks hold 0 and 255 alone, but 1 hold other values" in finding.sentence
    assert finding.files[0].name == "odd.png"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "skip.txt` cannot be read"),
        ("images/gone.png\n", "gone.png` shall be left out, but it is no image or mask"),
    ],
)
def test_lists_with_mistakes(tmp_path, text, sentence):
    _pairs(tmp_path, {"a": np.eye(4)})
    if text is not None:
        (tmp_path / "skip.txt").write_text(text)
    with pytest.raises(DataError, match=sentence):
        open_dataset(tmp_path, skip=read_skip_list(tmp_path / "skip.txt", tmp_path))


def test_masks_that_break_a_stated_spelling_are_all_named(tmp_path):
    mask = np.arange(16).reshape(4, 4) % 2
    _pairs(tmp_path, {"a": mask, "b": 255 * mask, "c": mask + 5, "d": mask})
    content = {"encoding": "index", "classes": [{"name": "sky"}, {"name": "road"}]}
    (tmp_path / "classes.json").write_text(json.dumps(content))
    report = check(tmp_path)
    assert [(finding.kind, finding.files[0].name) for finding in report.errors] == [("class", "c.png")]
    assert "holds the value 6, but there are 2 classes" in report.errors[0].sentence


def test_another_mask_makes_other_facts(tmp_path):
    mask = np.arange(16).reshape(4, 4) % 2
    _pairs(tmp_path, {"a": mask, "b": mask})
    first = check(tmp_path)
    Image.fromarray((mask * 0).astype(np.uint8)).save(tmp_path / "masks/a.png")
    assert check(tmp_path).images["class 1"] == first.images["class 1"] - 1
    assert {finding.kind for finding in check(tmp_path, max_pixels=15).errors} == {"unreadable"}


def test_facts_of_another_version_are_not_believed(tmp_path, monkeypatch):
    _pairs(tmp_path / "data", {"a": np.eye(4), "b": np.eye(4)})
    check(tmp_path / "data")
    assert len(cache.read_facts(tmp_path / "data", PairFacts)) == 1  # both pairs have one content
    monkeypatch.setattr(cache, "VERSION", 0)
    assert cache.read_facts(tmp_path / "data", PairFacts) == {}


def test_a_second_list_holds_the_first(tmp_path):
    _pairs(tmp_path / "data", {name: np.eye(4) for name in "abc"})
    skip = tmp_path / "skip.txt"
    for name in "ab":
        (tmp_path / f"data/images/{name}.png").write_bytes(b"")
        more = ["--skip", str(skip)] if skip.exists() else []
        assert main(["check", str(tmp_path / "data"), "--fix-list", str(skip), *more]) == 1
    assert [path.name for path in read_skip_list(skip, tmp_path / "data")] == ["a.png", "b.png"]


def test_thin_classes_are_no_interpolation(tmp_path):
    rows, columns = np.mgrid[:60, :60]
    distance = np.hypot(rows - 30, columns - 30)
    nucleus = np.where(distance < 20, 2, 0) + np.where((distance >= 20) & (distance < 21), 1, 0)
    _pairs(tmp_path, {"a": nucleus, "b": nucleus})
    assert check(tmp_path).errors == ()


def test_ignored_pixels_are_counted(tmp_path):
    mask = np.zeros((4, 4))
    mask[:1] = 255
    mask[1, 1] = 1
    _pairs(tmp_path, {"a": mask})
    assert check(tmp_path).ignored == {"train": 0.25, "val": 0.25}


def test_masks_that_are_all_called_something_more_are_said_at_once(tmp_path):
    _pairs(tmp_path, {"a": np.eye(4), "b": np.eye(4)})
    for name in "ab":
        (tmp_path / f"masks/{name}.png").rename(tmp_path / f"masks/{name}_mask.png")
    with pytest.raises(DataError, match="are called like their images and `_mask`: rename them"):
        check(tmp_path)


def test_black_and_white_masks_for_many_classes_are_said(tmp_path):
    _pairs(tmp_path, {"a": 255 * np.eye(4)})
    with pytest.warns(IntarsiaWarning, match="of 3 classes, all pixels are class 0 or ignored"):
        open_dataset(tmp_path, Classes.numbered(3))
