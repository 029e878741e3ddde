from pathlib import Path

import pytest

from intarsia.data.listing import Pair
from intarsia.data.split import completed, split_by_hash


def _pairs(names):
    return [Pair(name, Path(name), Path(name)) for name in names]


def _names(pairs):
    return {pair.name for pair in pairs}


@pytest.mark.parametrize("count", [2, 3, 5, 10, 100, 1000])
def test_a_split_is_a_partition_with_neither_part_empty(count):
    splits, _ = split_by_hash(_pairs(f"street/{i:04d}" for i in range(count)))
    train, val = _names(splits["train"]), _names(splits["val"])
    assert train
    assert val
    assert not train & val
    assert len(train | val) == count
    if count == 1000:
        assert 160 < len(val) < 240  # a fifth, within three standard deviations


def test_no_name_changes_side_when_files_are_added():
    before, _ = split_by_hash(_pairs(f"{i}" for i in range(50)))
    after, _ = split_by_hash(_pairs(f"{i}" for i in range(200)))
    assert _names(before["val"]) < _names(after["val"])
    assert _names(before["train"]) < _names(after["train"])


def test_names_that_are_no_unicode_are_split_too():
    splits, _ = split_by_hash(_pairs(["\udce9", "a"]))
    assert len(splits["train"]) == len(splits["val"]) == 1


def test_a_single_pair_is_both_and_this_is_said():
    splits, words = split_by_hash(_pairs(["a"]))
    assert splits["train"] == splits["val"] == tuple(_pairs(["a"]))
    assert words == "the only image serves as train and as val"


@pytest.mark.parametrize(
    ("given", "expected"), [(("train", "val"), ["train", "val"]), (("test",), ["test"]), (("val",), ["val"])]
)
def test_only_a_missing_val_beside_train_is_made(given, expected):
    pairs = tuple(_pairs(f"{i}" for i in range(10)))
    splits, layout = completed(dict.fromkeys(given, pairs), "plain")
    assert list(splits) == expected
    assert layout == "plain"


def test_val_is_split_off_train_and_test_stays():
    pairs = tuple(_pairs(f"{i}" for i in range(10)))
    splits, layout = completed({"train": pairs, "test": pairs[:2]}, "plain")
    assert list(splits) == ["train", "val", "test"]
    assert _names(splits["train"]) | _names(splits["val"]) == _names(pairs)
    assert splits["test"] == pairs[:2]
    assert layout.startswith("plain; ")
    assert layout.endswith("of 10 became val by the hash of their names")
