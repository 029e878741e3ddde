"""`check` of sets of images with depths: what is told, each rule, what is kept, what is left out."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from depth_folders import SIZE, depth, image, needs_h5py, plain, write_nyu
from PIL import Image

from intarsia.cli.main import main
from intarsia.data.checking import check_depth
from intarsia.data.depth import open_depth
from intarsia.data.skipping import read_skip_list
from intarsia.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))


def a_room(root: Path, count: int = 5, unit: float | None = 0.001) -> Path:
    """Images and depths that no rule complains of."""
    for i in range(count):
        noise = np.random.default_rng(i)
        for kind, values in (
            ("images", noise.integers(0, 256, (*SIZE, 3), np.uint8)),
            ("depth", noise.integers(1000, 4000, SIZE).astype(np.uint16)),
        ):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / kind / f"{i}.png")
    if unit is not None:
        (root / "depth.json").write_text(json.dumps({"metres_per_value": unit}))
    return root


def stored(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)


def test_a_good_set_is_good_and_told_in_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = a_room(tmp_path / "room")
    values = np.asarray(Image.open(root / "depth/0.png")).copy()
    values[:3] = 0
    Image.fromarray(values).save(root / "depth/0.png")
    report = check_depth(root)
    assert report.findings == ()
    assert report.usable() == open_depth(root)
    for name, samples in open_depth(root).splits.items():
        told, maps = report.splits[name], [sample.depth() for sample in samples]
        assert told.images == len(samples)
        assert told.known == pytest.approx(np.mean([depth > 0 for depth in maps]))
        known = [np.sort(depth[depth > 0]) for depth in maps]
        expected = [np.median([np.quantile(one, share) for one in known]) for share in (0.05, 0.5, 0.95)]
        np.testing.assert_allclose(told.metres[1:4], expected, rtol=0.08)  # of the values that are there
        assert told.metres[::4] == pytest.approx((min(map(np.min, known)), max(map(np.max, known))))
    assert main(["check", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "room: images/ + depth/, 0.001 m a value by depth.json" in printed
    assert "6 rows × 8 columns, 3 channels; the camera of 0 is known: depth.json may state it, {" in printed
    assert "\ndepths: uint16, 0.001 m a value" in printed
    assert printed.endswith("Nothing is wrong.\n")
    assert main(["check", str(root), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["task"], content["metres_per_value"], content["stored"]) == ("depth", 0.001, ["uint16"])


MILLIMETRES = np.random.default_rng(9).integers(1000, 4000, SIZE).astype(np.uint16)
SPOTS = np.where(np.arange(MILLIMETRES.size).reshape(SIZE) < 1, MILLIMETRES, 0).astype(np.uint16)
ODD = [
    # kind, severity, what lies in depth/0, sentence
    ("bits", "error", (MILLIMETRES // 32).astype(np.uint8), "has 8 bits, too few for depth"),
    ("bands", "error", np.repeat((MILLIMETRES // 32).astype(np.uint8)[:, :, None], 3, 2), "has 3 bands, but depth has"),
    ("empty", "error", MILLIMETRES * 0, "holds no depth at all, only 0, NaN or"),
    ("negative", "error", MILLIMETRES.astype(np.int32) - 1500, r"holds the depth -0\.\d+ m, but depths are above 0"),
    ("size", "error", MILLIMETRES[:4], r"6 rows × 8 columns, but its depth `.*0.\w+` has 4 × 8: they must be equal"),
    ("constant", "warning", MILLIMETRES * 0 + 2500, "is 2.5 m everywhere: if that is no wall"),
    ("scale", "warning", MILLIMETRES.astype(np.float64), r"has its middle at [23]\d+(\.\d)? m, but most files at abo"),
    ("full", "warning", np.where(SPOTS > 0, 65535, MILLIMETRES).astype(np.uint16), "holds 65535, the largest number"),
]


@pytest.mark.parametrize(("kind", "severity", "values", "sentence"), ODD, ids=[odd[0] for odd in ODD])
def test_each_odd_file_is_named(kind: str, severity: str, values: np.ndarray, sentence: str, tmp_path: Path) -> None:
    root = a_room(tmp_path / "room")
    (root / "depth/0.png").unlink()
    name = "depth/0.png" if values.dtype.kind == "u" else "depth/0.npy"
    stored(root / name, values)
    report = check_depth(root)
    (finding,) = report.findings
    assert (finding.kind, finding.severity) == (kind, severity)
    assert root / name in finding.files
    assert re.search(sentence, finding.sentence)
    left = {sample.name for split in report.dataset.splits.values() for sample in split} if report.dataset else set()
    assert ("0" in left) == (severity == "warning")
    if severity == "error":
        with pytest.raises(DataError, match=sentence + r"[\s\S]*--fix-list skip.txt`, then `--skip skip.txt`"):
            report.usable()
        with pytest.raises(DataError, match=sentence):  # without a check, too
            [sample.depth() for split in open_depth(root).splits.values() for sample in split]


def test_a_file_that_cannot_be_used_gets_no_warning_besides(tmp_path: Path) -> None:
    root = a_room(tmp_path / "room")
    (root / "depth/0.png").unlink()
    stored(root / "depth/0.npy", np.full(SIZE, -1000, np.int32))
    assert [(finding.kind, finding.severity) for finding in check_depth(root).findings] == [("negative", "error")]


def test_infinity_is_unknown_and_no_largest_number(tmp_path: Path) -> None:
    root = a_room(tmp_path / "room", unit=None)
    for i in range(5):
        (root / f"depth/{i}.png").unlink()
        depths = np.random.default_rng(i).uniform(1, 4, SIZE)
        depths[0] = np.inf
        stored(root / f"depth/{i}.npy", depths)
    report = check_depth(root)
    assert report.findings == ()
    assert {round(split.known, 3) for split in report.splits.values()} == {round(5 / 6, 3)}


def test_where_nothing_is_left_nothing_is_to_skip(tmp_path: Path) -> None:
    root = a_room(tmp_path / "room", count=2)
    for i in range(2):
        stored(root / f"depth/{i}.png", MILLIMETRES * 0)
    with pytest.raises(DataError, match=r"0.png` holds no depth at all.* 1 more errors: .* lists them all.$"):
        check_depth(root).usable()


def test_little_is_known(tmp_path: Path) -> None:
    root = a_room(tmp_path / "room")
    sparse = np.zeros((40, 40), np.uint16)
    sparse[3, 5:9] = (1000, 2000, 3000, 4000)
    stored(root / "depth/0.png", sparse)
    stored(root / "images/0.png", np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    (finding,) = check_depth(root).findings
    assert finding.kind == "few"
    assert "knows the depth of 0.25% of its pixels only" in finding.sentence


def test_a_missing_unit_is_said_once_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = a_room(tmp_path / "room", unit=None)
    report = check_depth(root)
    (finding,) = report.errors
    assert (finding.kind, finding.files, report.dataset) == ("unit", (), None)
    with pytest.raises(
        DataError, match=r'nothing says how many metres one is: write \{"metres_per_value": 0.001\}'
    ) as e:
        report.usable()
    assert "--fix-list" not in str(e.value)
    assert main(["check", str(root)]) == 1
    assert "nothing that can be used." in capsys.readouterr().out


@pytest.mark.parametrize(("unit", "metres"), [(1.0, r"\d{4}(\.\d)?"), (1e-6, r"0\.00\d+")])
def test_a_wrong_unit_is_suspected(unit: float, metres: str, tmp_path: Path) -> None:
    (finding,) = check_depth(a_room(tmp_path / "room", unit=unit)).findings
    assert (finding.kind, finding.severity, finding.files) == ("scale", "warning", ())
    assert re.search(f"The middle of the depths lies at {metres} m, where .* metres_per_value", finding.sentence)


def test_a_sensor_must_see_what_is_true(tmp_path: Path) -> None:
    root = a_room(tmp_path / "room")
    for i, factor in ((0, 1.0), (1, 1.02), (2, 2.0)):
        truth = np.asarray(Image.open(root / f"depth/{i}.png"))
        stored(root / f"sparse/{i}.png", (truth * factor * (np.arange(8) % 2)).astype(np.uint16))
    stored(root / "sparse/3.png", MILLIMETRES[:4])
    report = check_depth(root)
    assert [(finding.kind, [path.name for path in finding.files]) for finding in report.findings] == [
        ("size", ["3.png", "3.png"]),
        ("sensor", ["2.png"]),
        ("unmeasured", ["4.png"]),
    ]
    assert "its measured depth `" in report.findings[0].sentence
    assert "measured depths are 2 times the true ones in the middle, and 100% are off" in report.findings[1].sentence
    assert "images/4.png` has no measurements of its own, but 3 of 4 images have" in report.findings[2].sentence
    shares = [split.measured for split in report.splits.values() if split.measured is not None]
    assert shares
    assert set(shares) == {0.5}


def test_files_without_partner_and_leaks_are_listed_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, skip = tmp_path / "room", tmp_path / "skip.txt"
    for split, count in (("train", 3), ("val", 2)):
        a_room(root / split, count)  # the first two are the same in both
    (root / "depth.json").write_text('{"metres_per_value": 0.001}')
    (root / "train/depth/2.png").unlink()
    depth(root / "val/depth/alone.png")
    report = check_depth(root)
    assert sorted((f.kind, len(f.files)) for f in report.findings) == [("leak", 2), ("leak", 2)] + [("unpaired", 1)] * 2
    assert main(["check", str(root), "--fix-list", str(skip)]) == 1
    assert f"4 files to leave out are listed in `{skip}`." in capsys.readouterr().out
    names = [path.relative_to(root).as_posix() for path in read_skip_list(skip, root)]
    assert names == ["train/images/2.png", "val/depth/alone.png", "train/images/0.png", "train/images/1.png"]
    with pytest.raises(DataError, match="1 more files are in the way; `intarsia check"):
        open_depth(root)


def test_what_was_measured_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = a_room(tmp_path / "room")
    first = check_depth(root)
    calls: list[str] = []
    module = sys.modules["intarsia.data.checking.depth_check"]
    measure = module.depth_facts
    monkeypatch.setattr(module, "depth_facts", lambda files, most: calls.append(files.name) or measure(files, most))
    (root / "depth.json").write_text('{"metres_per_value": 0.002}')  # facts are of what is stored
    second = check_depth(root)
    assert calls == []
    assert second.splits["train"].metres == pytest.approx(tuple(2 * m for m in first.splits["train"].metres))
    stored(root / "depth/3.png", MILLIMETRES)
    check_depth(root)
    assert calls == ["3"]


def test_kittis_own_measurements_are_told(tmp_path: Path) -> None:
    stem = "2011_09_26_drive_0002_sync_{}_0000000008_image_02.png"
    metres = np.random.default_rng(0).uniform(5, 60, (10, 20)).astype(np.float32)
    for name, factor in (("groundtruth_depth", 1), ("velodyne_raw", 1.01)):
        stored(tmp_path / name / stem.format(name), np.rint(metres * factor * 256).astype(np.uint16))
    image(tmp_path / "image" / stem.format("image"), size=(10, 20))
    report = check_depth(tmp_path)
    assert report.findings == ()
    assert report.splits["val"].measured == 1.0
    assert report.unit == 1 / 256
    assert report.splits["val"].metres[0] == pytest.approx(metres.min(), abs=1 / 256)


@needs_h5py
def test_whole_sets_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_nyu(tmp_path / "nyu_depth_v2_labeled.mat")
    assert main(["check", str(path)]) == 0
    assert "the camera of each is known\ndepths: float32, metres" in capsys.readouterr().out
    assert main(["check", "sample:motorcycle"]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_what_is_about_masks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "sample:motorcycle", "--show-augmented", "2"]) == 1
    assert "`--show-augmented` draws masks, and `sample:motorcycle` holds depths" in capsys.readouterr().err


def test_a_plain_folder_of_flat_depths_is_warned_of(tmp_path: Path) -> None:
    kinds = {finding.kind for finding in check_depth(plain(tmp_path / "room")).findings}
    assert kinds == {"constant"}
