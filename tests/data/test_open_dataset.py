import pickle
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from intarsia.data import Classes, open_dataset
from intarsia.errors import DataError, UnknownNameError


@pytest.mark.parametrize(
    ("source", "error", "sentence"),
    [
        ("sample:material", UnknownNameError, "There is no built-in sample `material`; did you mean materials?"),
        ("nowhere/photos", DataError, "There is no folder `nowhere/photos`: correct the path, or name a built-in set"),
        ("~nobody-has-this-name/photos", DataError, "There is no folder `~nobody-has-this-name/photos`"),
        (__file__, DataError, "is a file: name the folder that holds the images and masks"),
    ],
)
def test_a_source_that_is_no_dataset_is_one_sentence(source, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        open_dataset(source)


def test_given_classes_come_before_the_folders_but_its_encoding_stays(put, tmp_path):
    put("images/a.png")
    put("masks/a.png", [[0, 255, 0], [0, 0, 0]])
    given = Classes(("ground", "crack"), ((0, 0, 0), (255, 0, 0)))
    dataset = open_dataset(tmp_path, given)
    assert (dataset.classes.names, dataset.classes.encoding) == (given.names, "binary")
    (tmp_path / "classes.json").write_text('{"encoding": "index", "classes": [{"name": "ground"}, {"name": "crack"}]}')
    assert open_dataset(tmp_path, replace(given, encoding="binary")).classes == given


def test_given_classes_rename_a_sample_of_the_same_count():
    names = Classes(tuple("abcdefgh"), Classes.numbered(8).colours, "colour")
    assert open_dataset("sample:materials", names).classes.names == names.names
    with pytest.raises(DataError, match="sample:materials has 8 classes, but 3 are given"):
        open_dataset("sample:materials", Classes.numbered(3))


def test_a_broken_classes_json_is_named(put, tmp_path):
    put("images/a.png")
    put("masks/a.png")
    (tmp_path / "classes.json").write_text("[")
    with pytest.raises(DataError, match=r"classes.json` is not JSON"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_does_not_matter_but_latin_1_is_refused(put, tmp_path, text):
    put("images/a.png")
    put("masks/a.png")
    (tmp_path / "classes.json").write_bytes(text + Classes.numbered(4).to_json().encode())
    assert open_dataset(tmp_path).classes == Classes.numbered(4)
    (tmp_path / "classes.json").write_bytes(b'[{"name": "\xe9"}]')
    with pytest.raises(DataError, match=r"classes\.json` is not UTF-8 text: save it as UTF-8"):
        open_dataset(tmp_path)


def test_an_unknown_split_is_refused_with_those_that_exist(put, tmp_path):
    put("test/images/a.png")
    put("test/masks/a.png")
    with pytest.raises(DataError, match=f"`{tmp_path.name}` has no split `val`: it has test"):
        open_dataset(tmp_path).split("val")


def test_samples_can_be_pickled(put, tmp_path):
    put("images/a.png")
    put("masks/a.png")
    for dataset in (open_dataset(tmp_path), open_dataset("sample:materials")):
        sample = dataset.split("val")[0]
        assert pickle.loads(pickle.dumps(sample)) == sample


def test_importing_the_room_brings_no_heavy_package():
    code = (
        "import sys, intarsia.data; print([m for m in ('torch', 'skimage', 'nibabel', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_classes_of_another_network_are_refused(tmp_path):
    from intarsia.data import Classes, open_dataset, write_folder
    from intarsia.data.samples.materials import materials
    from intarsia.errors import DataError

    write_folder(materials(train=2, val=2, size=32), tmp_path / "photos")
    named = open_dataset(tmp_path / "photos").classes
    swapped = Classes((named.names[1], named.names[0], *named.names[2:]), named.colours)
    for given in (swapped, Classes(named.names[:3], named.colours[:3]), Classes.numbered(9)):
        with pytest.raises(DataError, match=r"has the classes brick, grass, .* but the network was trained on"):
            open_dataset(tmp_path / "photos", classes=given)
    for given in (named, Classes.numbered(8)):
        assert open_dataset(tmp_path / "photos", classes=given).classes.names == given.names
