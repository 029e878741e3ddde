import json
import sys
from pathlib import Path

import numpy as np
import pytest
from odd_files import ODD, write_odd_folder
from PIL import Image

from intarsia.cli.main import main
from intarsia.data import open_dataset, read_image, write_folder
from intarsia.data.checking import cache, check
from intarsia.data.checking.facts import find_shift
from intarsia.data.samples.materials import materials
from intarsia.data.skipping import read_skip_list
from intarsia.errors import DataError


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    write_odd_folder(root)
    return root


@pytest.fixture(scope="module")
def odd_report(odd_folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTARSIA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return check(odd_folder)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("odd", ODD, ids=[odd.name for odd in ODD])
def test_every_odd_file_is_used_or_named(odd_report, odd):
    report = odd_report
    kinds = {
        f.kind for f in report.findings for path in f.files if path.stem == odd.stem and path.parent.name == odd.split
    }
    assert kinds - {"twice", "leak", "alike", "depth"} == ({odd.finding} if odd.finding else set()) - {
        "twice",
        "leak",
        "alike",
    }
    assert odd.finding is None or odd.finding in kinds
    used = {sample.name for sample in report.dataset.split(odd.split)}
    is_error = odd.finding in {finding.kind for finding in report.errors}
    assert (odd.stem in used) != is_error


def test_odd_pictures_come_out_like_the_plain_ones(odd_report):
    for sample in odd_report.dataset.split("train"):
        image, mask = sample.image(), sample.mask()
        assert image.shape == (*mask.shape, 3)
        assert set(np.unique(mask)) <= {0, 1, 2, 3, 255}
        if min(mask.shape) > 10 and sample.name not in ("moved", "nan", "ignored", "bit"):
            shift = find_shift(np.array(Image.fromarray(image).convert("L")), mask)
            assert shift is None or max(abs(shift.rows), abs(shift.columns)) <= 1, sample.name


def test_the_list_of_files_to_leave_out_makes_the_folder_good(odd_folder, tmp_path, capsys):
    skip = tmp_path / "skip.txt"
    assert main(["check", str(odd_folder), "--fix-list", str(skip)]) == 1
    printed = capsys.readouterr().out
    assert "ERRORS: these files cannot be used (22)" in printed
    assert f"24 files to leave out are listed in `{skip}`." in printed
    assert main(["check", str(odd_folder), "--skip", str(skip), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {finding["severity"] for finding in content["findings"]} == {"warning"}
    assert content["splits"] == {"train": 39, "val": 7}
    dataset = open_dataset(odd_folder, skip=read_skip_list(skip, odd_folder))
    assert {split: len(samples) for split, samples in dataset.splits.items()} == content["splits"]
    assert dataset.pixels.limits == (0, 65535)


def test_training_is_refused_with_the_first_sentence(odd_report):
    with pytest.raises(
        DataError, match=r"has no mask: .* 21 more errors: .* --fix-list skip.txt`, then `--skip skip.txt`"
    ):
        odd_report.usable()


def test_a_good_folder_is_good(tmp_path):
    write_folder(materials(train=6, val=3, size=64), tmp_path / "data")
    report = check(tmp_path / "data")
    assert report.errors == ()
    assert {finding.kind for finding in report.findings} <= {"absent"}
    dataset = report.usable()
    for split, counts in report.pixels.items():
        masks = [sample.mask() for sample in dataset.split(split)]
        assert counts == {name: sum(int((mask == i).sum()) for mask in masks) for i, name in enumerate(counts)}
    masks = [sample.mask() for samples in dataset.splits.values() for sample in samples]
    learnt = [sample.mask() for sample in dataset.split("train")]
    for i, name in enumerate(dataset.classes.names):
        assert report.images[name] == sum((mask == i).any() for mask in masks)
        held = [mask for mask in learnt if (mask == i).any()]
        if held:
            assert report.frequency[name] == pytest.approx(np.mean([(mask == i).mean() for mask in held]))
    middle = np.median([f for f in report.frequency.values() if f > 0])
    assert report.weights == pytest.approx({name: middle / f if f > 0 else 0 for name, f in report.frequency.items()})


def test_what_was_measured_is_kept_by_content(tmp_path, monkeypatch):
    write_folder(materials(train=3, val=2, size=64), tmp_path / "data")
    first = check(tmp_path / "data")
    (tmp_path / "data/images/train/train-0000.png").touch()
    calls = []
    module = sys.modules["intarsia.data.checking.check"]
    plain = module.pair_facts
    monkeypatch.setattr(module, "pair_facts", lambda *args: calls.append(args) or plain(*args))
    assert check(tmp_path / "data") == first
    assert calls == []
    Image.new("RGB", (64, 64)).save(tmp_path / "data/images/train/train-0000.png")
    check(tmp_path / "data")
    assert [call[0].name for call in calls] == ["train-0000.png"]
    for kept in (tmp_path / "cache/check").iterdir():
        kept.write_text("{")
    assert len(check(tmp_path / "data").dataset.split("train")) == 3


def test_kept_facts_are_not_needed_to_write(tmp_path, monkeypatch):
    write_folder(materials(train=2, val=1, size=64), tmp_path / "data")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "file"))
    assert check(tmp_path / "data").errors == ()


def test_where_facts_are_kept(tmp_path, monkeypatch):
    """An empty variable is none; an account without a home keeps nothing, and lists models all the same."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("INTARSIA_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(cache.Path, "home", lambda: tmp_path)
    assert cache.folder().is_relative_to(tmp_path)
    monkeypatch.setattr(cache.Path, "home", homeless)
    cache.write_facts(tmp_path, {"a": 1}, int)
    assert cache.read_facts(tmp_path, int) == {}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "caches"))
    cache.write_facts(tmp_path, {"a": 1}, int)
    assert cache.read_facts(tmp_path, int) == {"a": 1}


def test_nothing_usable_is_said(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"")
    Image.new("L", (4, 4)).save(tmp_path / "masks/a.png")
    report = check(tmp_path)
    assert report.dataset is None
    assert main(["check", str(tmp_path)]) == 1
    assert "nothing that can be used" in capsys.readouterr().out
    assert json.dumps(report.to_json(), allow_nan=False)
    with pytest.raises(DataError, match=r"a.png` is truncated or not an image"):
        report.usable()


def test_built_in_sets_are_checked_too(capsys):
    assert main(["check", "sample:brain"]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_one_bit_masks_among_indices_mean_the_first_two_classes(odd_report):
    (sample,) = [sample for sample in odd_report.dataset.split("train") if sample.name == "mask_bit"]
    assert set(np.unique(sample.mask())) == {0, 1}
    assert read_image(sample.image_path).shape[:2] == sample.mask().shape


def test_the_table_in_the_documentation_is_this_one():
    text = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    for odd in ODD:
        assert f"| `{odd.name}` | {odd.story} | {odd.finding or 'used'} |" in text


@pytest.mark.parametrize("option", ["--max-pixels", "--show-augmented"])
def test_numbers_below_one_are_refused(tmp_path, option, capsys):
    assert main(["check", str(tmp_path), option, "0"]) == 1
    assert f"`{option}` (=0) must be at least 1" in capsys.readouterr().err


def test_a_set_with_several_numbers_of_bands_is_refused_without_a_check_too(tmp_path):
    for name, bands in (("a", 3), ("b", 5)):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        np.save(tmp_path / f"images/{name}.npy", np.zeros((20, 30, bands), np.uint8))
        Image.new("L", (30, 20)).save(tmp_path / f"masks/{name}.png")
    with pytest.raises(DataError, match="all images of a set need as many, so convert some"):
        open_dataset(tmp_path)


def test_a_leak_is_mended_whole(tmp_path):
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 255, (40, 40, 3), np.uint8) for _ in range(3)]
    for place, i in (("train/a", 0), ("train/b", 0), ("train/c", 1), ("val/a", 0), ("val/d", 2)):
        for kind, pixels in (("images", pictures[i]), ("masks", np.eye(40, dtype=np.uint8))):
            path = tmp_path / kind / f"{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    files = [path for path, _ in check(tmp_path).to_skip()]
    assert [path.name for path in files] == ["a.png", "b.png"]
    assert {path.parent.name for path in files} == {"train"}
    assert "leak" not in {finding.kind for finding in check(tmp_path, skip=files).findings}


def test_an_image_in_two_lists_is_a_leak(tmp_path):
    for i in range(4):
        for kind, pixels in (("JPEGImages", np.full((8, 8, 3), 40 * i)), ("SegmentationClass", np.eye(8))):
            path = tmp_path / kind / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n2\n")
    (lists / "val.txt").write_text("2\n3\n")
    (leak,) = [finding for finding in check(tmp_path).findings if finding.kind == "leak"]
    assert leak.sentence.endswith("2.png` is in train and val: strike it from one of the lists.")
    assert leak.leave_out == ()


@pytest.mark.parametrize("name", ["sheet.docx", "."])
def test_a_sheet_is_a_picture(tmp_path, name, capsys):
    assert main(["check", "sample:brain", "--show-augmented", "1", "--sheet", str(tmp_path / name)]) == 1
    assert "must be a file such as augmented.png" in capsys.readouterr().err
