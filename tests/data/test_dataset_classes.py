import json
import re

import numpy as np
import pytest

from intarsia.data import Classes
from intarsia.data.colours import IGNORE_COLOUR, default_colour, voc_colour
from intarsia.errors import ArgumentError, DataError

TWO = (("sky", "road"), ((80, 160, 255), (90, 90, 90)))

MISTAKES = [
    ((), (), "index", "there must be 1 to 65535 classes, not 0"),
    (("a", " "), TWO[1], "index", "the name of class 1 (=' ') must be a text"),
    (("a", "a"), TWO[1], "index", "the name `a` is used twice"),
    (TWO[0], ((0, 0, 0), (0, 0, 256)), "index", "the colour of `road` (=(0, 0, 256)) must be three integers"),
    (("a", "b", "c"), ((0, 0, 0),) * 3, "binary", "means two classes, but there are 3"),
    (TWO[0], ((1, 2, 3), (1, 2, 3)), "colour", "the colour (1, 2, 3) is used twice"),
]
MISTAKEN_TYPES = [  # a checker of types finds these in Python, but nobody checks a file
    (("a", 3), TWO[1], "index", "the name of class 1 (=3) must be a text"),
    (TWO[0], ((0, 0, 0), (0, 0)), "index", "the colour of `road` (=(0, 0)) must be three integers"),
    (TWO[0], ((0, 0, 0), (0, 0, 0.5)), "index", "the colour of `road` (=(0, 0, 0.5)) must be three integers"),
    (TWO[0], ((0, 0, 0), (0, 0, True)), "index", "the colour of `road` (=(0, 0, True)) must be three integers"),
    (TWO[0], ((0, 0, 0), "red"), "index", "the colour of `road` (='red') must be three integers"),
    (TWO[0], TWO[1], "palette", "the encoding (='palette') must be index, binary or colour"),
]


@pytest.mark.parametrize(
    ("names", "colours", "encoding", "sentence"),
    [*MISTAKES, (("a", "b"), ((0, 0, 0),), "index", "there are 2 names and 1 colours")],
)
def test_each_mistake_has_its_sentence_in_python(names, colours, encoding, sentence):
    with pytest.raises(ArgumentError, match=f"Classes: .*{re.escape(sentence)}"):
        Classes(names, colours, encoding)


@pytest.mark.parametrize(("names", "colours", "encoding", "sentence"), MISTAKES + MISTAKEN_TYPES)
def test_each_mistake_has_its_sentence_in_json(names, colours, encoding, sentence):
    entries = [{"name": name, "colour": colour} for name, colour in zip(names, colours, strict=True)]
    with pytest.raises(DataError, match=f"`here/classes.json`: .*{re.escape(sentence)}"):
        Classes.from_json(json.dumps({"encoding": encoding, "classes": entries}), "here/classes.json")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "`c.json` is not JSON"),
        ("[" * 100000, "`c.json` is not JSON"),
        ('{"names": ["sky"]}', "`c.json` must hold a list of classes"),
        ("3", "`c.json` must hold a list of classes"),
        ('["sky"]', "class 0 (='sky') must be an object with a `name`"),
        ('[{"colour": [0, 0, 0]}]', "must be an object with a `name`"),
        ('[{"name": "sky", "color": [0, 0, 0]}]', "must be an object with a `name`"),
        ('[{"name": ["sky"]}]', "the name of class 0 (=['sky']) must be a text"),
        ('{"encoding": [], "classes": [{"name": "sky"}]}', "the encoding (=[]) must be"),
        ('[{"name": "sky", "colour": [[1], 2, 3]}]', "must be three integers"),
    ],
)
def test_a_text_of_another_form_is_refused_with_the_files_name(text, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        Classes.from_json(text, "c.json")


@pytest.mark.parametrize(
    "classes",
    [
        Classes(*TWO),
        Classes(*TWO, "binary"),
        Classes(('a "quoted" näme', "b"), TWO[1], "colour"),
        Classes.numbered(300),
    ],
)
def test_json_round_trip(classes):
    assert Classes.from_json(classes.to_json()) == classes


def test_json_has_one_line_for_each_class():
    lines = Classes(*TWO).to_json().splitlines()
    assert lines[3] == '    {"name": "sky", "colour": [80, 160, 255]},'
    assert len(lines) == 7


@pytest.mark.parametrize(("count", "ignore", "dtype"), [(1, 255, "u1"), (254, 255, "u1"), (255, 65535, "u2")])
def test_masks_become_16_bit_above_254_classes(count, ignore, dtype):
    classes = Classes.numbered(count)
    assert (classes.count, classes.ignore, classes.dtype) == (count, ignore, np.dtype(dtype))


def test_unused_indices_keep_their_place_and_given_colours_come_first():
    classes = Classes.numbered(4, unused={2}, colours=[(1, 2, 3)])
    assert classes.names == ("class 0", "class 1", "unused 2", "class 3")
    assert classes.colours == ((1, 2, 3), default_colour(1), default_colour(2), default_colour(3))


@pytest.mark.parametrize("count", [2, 254, 300])
def test_palette_holds_the_colours_and_shows_ignore_in_grey(count):
    classes = Classes.numbered(count)
    palette = classes.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[: min(count, 255)].tolist() == [list(c) for c in classes.colours[:255]]
    if count <= 254:
        assert tuple(palette[255]) == IGNORE_COLOUR
        assert not palette[count:255].any()


def test_default_colours_are_distinct_and_the_first_ones_far_apart():
    colours = np.array([default_colour(i) for i in range(256)])
    assert len(np.unique(colours, axis=0)) == 256
    first = colours[:20].astype(float)
    distances = np.linalg.norm(first[:, None] - first, axis=-1) + 999 * np.eye(20)
    assert distances.min() > 25


def test_voc_colours_are_the_published_ones():
    # From the development kit's table: aeroplane, chair, sheep, tv/monitor, void.
    published = {1: (128, 0, 0), 9: (192, 0, 0), 17: (128, 64, 0), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {i: voc_colour(i) for i in published} == published
