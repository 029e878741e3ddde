"""Probabilities of other tools: which files belong together, in which order their axes lie, and what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.data.probability_files import ProbabilityFiles, find_probabilities, read_probabilities
from intarsia.errors import DataError

SIZE = (6, 8)
SHARES = np.random.default_rng(0).dirichlet((1, 1, 1), SIZE).transpose(2, 0, 1)


def write_planes(shares: np.ndarray, folder: Path, pattern: str, bits: int = 8) -> None:
    for k, plane in enumerate(shares):
        path = folder / pattern.format(k)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(plane * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)).save(path)


def only(folder: Path) -> ProbabilityFiles:
    (files,) = find_probabilities(folder)
    return files


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
def test_an_array_by_its_axes(dtype: type, last: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", (SHARES.transpose(1, 2, 0) if last else SHARES).astype(dtype))
    read = read_probabilities(only(tmp_path), SIZE)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, SHARES, atol=1e-3)


def test_where_both_orders_fit_classes_come_first(tmp_path: Path) -> None:
    cube = np.random.default_rng(1).random((4, 4, 4), np.float32)
    np.save(tmp_path / "a.npy", cube)
    np.testing.assert_array_equal(read_probabilities(only(tmp_path), (4, 4)), cube)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["a_{}.png", "a_{:02d}.png", "a/{}.png", "a/{:03d}.png"])
def test_planes_are_shares_that_sum_to_one(pattern: str, bits: int, tmp_path: Path) -> None:
    write_planes(SHARES, tmp_path, pattern, bits)
    files = only(tmp_path)
    assert files.stem == Path("a")
    read = read_probabilities(files, SIZE)
    np.testing.assert_allclose(read, SHARES, atol=1.5 / (2**bits - 1))
    np.testing.assert_allclose(read.sum(axis=0), 1, atol=1e-6)


def test_ten_planes_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    write_planes(np.arange(11)[:, None, None] / 255 * np.ones((11, *SIZE)), tmp_path, "a_{}.png")
    assert [path.name for path in only(tmp_path).paths] == [f"a_{k}.png" for k in range(11)]


def test_sums_that_rounding_does_not_explain_stay(tmp_path: Path) -> None:
    write_planes(np.full((3, *SIZE), 0.5), tmp_path, "a_{}.png")
    np.testing.assert_allclose(read_probabilities(only(tmp_path), SIZE).sum(axis=0), 1.5, atol=0.01)


def test_one_plane_stays_as_it_is(tmp_path: Path) -> None:
    write_planes(SHARES[:1], tmp_path, "a_{}.png")
    np.testing.assert_allclose(read_probabilities(only(tmp_path), SIZE), SHARES[:1], atol=1 / 255)
    np.save(tmp_path / "b.npy", SHARES[0])
    np.testing.assert_allclose(read_probabilities(find_probabilities(tmp_path)[1], SIZE), SHARES[:1], atol=1e-6)


def test_which_files_count(tmp_path: Path) -> None:
    for name in ("a.npy", "sub/a.npy", "img_001.npy", "out/z.npy", ".hidden/b.npy", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, SHARES) if name.endswith("npy") else (tmp_path / name).write_text("x")
    write_planes(SHARES, tmp_path, "img_002_{}.png")
    write_planes(SHARES, tmp_path, "sub/c/{}.png")
    Image.new("L", (8, 6)).save(tmp_path / "mask.png")
    stems = [str(files.stem) for files in find_probabilities(tmp_path, tmp_path / "out")]
    assert stems == ["a", "img_001", "img_002", "sub/a", "sub/c"]
    assert find_probabilities(tmp_path / "a.npy") == [ProbabilityFiles(Path("a"), (tmp_path / "a.npy",))]


def test_a_folder_without_probabilities(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no probabilities: they are name\.npy, or name_0\.png"):
        find_probabilities(tmp_path)
    with pytest.raises(DataError, match=r"There is no `.*none`; name a folder of probabilities, or one NPY file\."):
        find_probabilities(tmp_path / "none")


def test_planes_with_gaps_or_twice_and_two_of_one_name(tmp_path: Path) -> None:
    write_planes(SHARES, tmp_path, "gap_{}.png")
    (tmp_path / "gap_1.png").unlink()
    write_planes(SHARES, tmp_path, "twice_{}.png")
    write_planes(SHARES[:1], tmp_path, "twice/{}.png")
    write_planes(SHARES, tmp_path, "both_{}.png")
    np.save(tmp_path / "both.npy", SHARES)
    listed = find_probabilities(tmp_path)
    found = {str(files.stem): files for files in listed}
    assert len(listed) == len(found)
    for name, complaint in [
        ("gap", "hold no class 1; number them from 0, without gaps, once each"),
        ("twice", "hold class 0 twice"),
        ("both", "are both of the image `both`: remove one of them"),
    ]:
        with pytest.raises(DataError, match=complaint):
            read_probabilities(found[name], SIZE)


def broken(folder: Path, kind: str) -> None:
    path = folder / "a.npy"
    if kind == "pickle":
        np.save(path, np.array([{"class": 1}], object), allow_pickle=True)
    elif kind == "truncated":
        np.save(path, SHARES)
        path.write_bytes(path.read_bytes()[:200])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "zip":
        with path.open("wb") as file:
            np.savez(file, SHARES)
    elif kind == "text":
        path.write_text("0.1 0.9\n")
    elif kind == "words":
        np.save(path, np.array(["a", "b"]))
    elif kind == "complex":
        np.save(path, SHARES.astype(np.complex64))
    elif kind == "shape":
        np.save(path, SHARES[:, :5])
    elif kind == "int64":
        np.save(path, np.ones((3, *SIZE), np.int64))
    elif kind == "colours":
        Image.new("RGB", (8, 6)).save(folder / "a_0.png")
    elif kind == "small plane":
        Image.new("L", (7, 6)).save(folder / "a_0.png")
    elif kind == "two depths":
        write_planes(SHARES[:1], folder, "a_{}.png", 16)
        write_planes(SHARES[:1], folder, "a_1.png", 8)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("pickle", r"a\.npy` is no NPY file of plain numbers \(.*Python objects.*\): save it by numpy\.save"),
        ("truncated", "is no NPY file of plain numbers"),
        ("empty", r"a\.npy` is no NPY file, whatever its name says: save an array"),
        ("zip", r"a\.npy` is no NPY file, whatever its name says: save an array"),
        ("text", r"a\.npy` is no NPY file, whatever its name says: save an array"),
        ("words", "holds <U1, no real numbers: save an array"),
        ("complex", "holds complex64, no real numbers: save an array"),
        (
            "shape",
            r"has the shape \(3, 5, 8\), which is neither \(K, H, W\) nor \(H, W, K\) for its image of 6 rows and 8",
        ),
        ("int64", "holds int64; save fractions, or whole numbers of 8 or 16 bits"),
        ("colours", "holds colours, but a plane of probabilities is grey"),
        ("small plane", "has 6 rows × 7 columns, but its image has 6 × 8: resize it"),
        ("two depths", r"a_1\.png` holds uint8, but `.*a_0\.png` uint16: save both with the same bits"),
    ],
)
def test_what_cannot_be_read(kind: str, complaint: str, tmp_path: Path) -> None:
    broken(tmp_path, kind)
    with pytest.raises(DataError, match=complaint):
        read_probabilities(only(tmp_path), SIZE)
