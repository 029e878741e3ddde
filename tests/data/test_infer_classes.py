import json
import re

import numpy as np
import pytest
from PIL import Image

from intarsia.data import Classes, open_dataset
from intarsia.errors import DataError

BLACK, RED, BLUE = (0, 0, 0), (200, 0, 0), (0, 0, 200)


@pytest.fixture
def masks(put, tmp_path):
    """A dataset folder with the given masks, in the order of their names."""

    def write(*pictures):
        for i, pixels in enumerate(pictures):
            array = np.asarray(pixels)
            put(f"images/{i:03d}.png", np.zeros((*array.shape[:2], 3)))
            put(f"masks/{i:03d}.png", pixels)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("pictures", "names", "encoding"),
    [
        ([[[0, 1]], [[2, 1]]], ["class 0", "class 1", "class 2"], "index"),
        ([[[0, 255]], [[3, 1]]], ["class 0", "class 1", "unused 2", "class 3"], "index"),
        ([[[0, 0]], [[0, 0]]], ["class 0", "unused 1"], "index"),
        ([[[0, 255]], [[0, 0]]], ["background", "foreground"], "binary"),
        ([[[255, 255]], [[255, 255]]], ["background", "foreground"], "binary"),
        ([[[0, 255]], [[1, 0]]], ["class 0", "class 1"], "index"),  # one other value, and 255 is ignore
        ([np.array([[0, 1]], bool)], ["background", "foreground"], "binary"),
        ([[[RED, BLACK]], [[BLUE, RED]]], ["class 0", "class 1", "class 2"], "colour"),
        ([np.array([[0, 1, 65535]], np.uint16)], ["class 0", "class 1"], "index"),
        ([np.array([[0, 1, 255]], np.uint16)], ["class 0", "class 1"], "index"),
    ],
)
def test_classes_are_what_the_masks_hold(masks, pictures, names, encoding):
    classes = open_dataset(masks(*pictures)).classes
    assert list(classes.names) == names
    assert classes.encoding == encoding


def test_above_254_classes_255_is_one(masks):
    classes = open_dataset(masks(np.array([[0, 255, 299]], np.uint16))).classes
    assert (classes.count, classes.ignore) == (300, 65535)
    assert [classes.names[i] for i in (0, 1, 255)] == ["class 0", "unused 1", "class 255"]


def test_colours_are_sorted(masks):
    assert open_dataset(masks([[RED, BLACK]], [[BLUE, RED]])).classes.colours == (BLACK, BLUE, RED)


def test_binary_masks_are_read_as_0_and_1(masks):
    dataset = open_dataset(masks([[0, 255]]))
    assert dataset.split("train")[0].mask().tolist() == [[0, 1]]


@pytest.mark.parametrize("ramp", [False, True])
def test_a_palette_gives_the_colours_unless_it_is_a_ramp_of_grey(put, tmp_path, ramp):
    palette = [(i, i, i) for i in range(256)] if ramp else [BLACK, RED, BLUE] + [BLACK] * 253
    put("images/a.png")
    picture = Image.fromarray(np.array([[0, 1, 1], [0, 2, 255]], np.uint8))
    picture.putpalette(np.array(palette, np.uint8).tobytes())
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks/a.png")
    dataset = open_dataset(tmp_path)
    assert dataset.classes.colours == (Classes.numbered(3).colours if ramp else (BLACK, RED, BLUE))
    assert dataset.split("train")[0].mask().tolist() == [[0, 1, 1], [0, 2, 255]]


NOISE = np.random.default_rng(0).integers(0, 255, (20, 20, 3))


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        ([[[RED]], NOISE], "masks/001.png` holds more than 256 colours, so it is a photograph or was interpolated"),
        ([NOISE[:10], NOISE[10:]], "hold 400 different colours together, but at most 256 can be classes"),
        ([[[0, 1]], [[RED, BLUE]]], "masks/000.png` holds class indices but `{}/masks/001.png` holds RGB colours"),
        (
            [np.array([[0, 26001]], np.uint16)],
            "masks/000.png` holds the value 26001, far above the number of any classes",
        ),
    ],
)
def test_each_mistake_has_its_sentence(masks, tmp_path, pictures, sentence):
    with pytest.raises(DataError, match=re.escape(sentence.replace("{}", str(tmp_path)))):
        open_dataset(masks(*pictures))


TWO = [{"name": "sky", "colour": [0, 0, 0]}, {"name": "road", "colour": [200, 0, 0]}]
THREE = [*TWO, {"name": "car", "colour": [0, 0, 200]}]


@pytest.mark.filterwarnings("ignore:The masks in .* hold 0 and 255 alone")
@pytest.mark.parametrize(
    ("pictures", "entries", "encoding", "expected"),
    [
        ([[[0, 1, 255]]], THREE, "index", [[0, 1, 255]]),
        ([[[0, 255]]], TWO, "binary", [[0, 1]]),
        ([[[0, 255]]], THREE, "index", [[0, 255]]),  # three classes cannot be binary: 255 is ignore
        ([[[RED, BLACK]]], THREE, "colour", [[1, 0]]),
    ],
)
def test_names_from_json_take_the_encoding_of_the_masks(masks, pictures, entries, encoding, expected):
    folder = masks(*pictures)
    (folder / "classes.json").write_text(json.dumps(entries))
    dataset = open_dataset(folder)
    assert dataset.classes.names == tuple(entry["name"] for entry in entries)
    assert dataset.classes.encoding == encoding
    assert dataset.split("train")[0].mask().tolist() == expected


def test_a_stated_encoding_is_believed(masks):
    folder = masks([[0, 255]])
    (folder / "classes.json").write_text('{"encoding": "index", "classes": [{"name": "a"}, {"name": "b"}]}')
    assert open_dataset(folder).split("train")[0].mask().tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        ([[[0, 1]], [[0, 2]]], "masks/001.png` holds the value 2, but there are 2 classes, 0 … 1"),
        ([[[BLUE]]], "masks/000.png` holds the colour (0, 0, 200), which is none of the 2 classes' colours"),
    ],
)
def test_known_classes_must_cover_what_the_masks_hold(masks, pictures, sentence):
    classes = Classes(("sky", "road"), (BLACK, RED))
    with pytest.raises(DataError, match=re.escape(sentence)):
        open_dataset(masks(*pictures), classes)
