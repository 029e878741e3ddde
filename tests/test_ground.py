"""The ground floor: files that appear whole, errors that travel between processes."""

import os
import pickle

import pytest

from intarsia.errors import DataError, IntarsiaError, Interrupted, MissingPackageError, UnknownNameError
from intarsia.files import atomic, write_text


@pytest.mark.parametrize("name", ["a.txt", "x" * 251 + ".txt", "ж" * 120 + ".txt", ".hidden", "no_extension"])
def test_files_of_any_name_appear_whole(tmp_path, name):
    write_text(tmp_path / name, "one")
    write_text(tmp_path / name, "two")
    assert (tmp_path / name).read_text(encoding="utf-8") == "two"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_goes_on_pointing_to_its_file(tmp_path):
    write_text(tmp_path / "real/a.txt", "old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real/a.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real/a.txt").read_text() == "new"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write_text(tmp_path, "")
    assert caught.value.filename == str(tmp_path)


def test_a_writers_own_file_gets_them_too(tmp_path):
    with atomic(tmp_path / "a.txt") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_files_have_the_users_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "error",
    [
        IntarsiaError("a sentence."),
        DataError("a sentence."),
        Interrupted("a sentence."),
        UnknownNameError("model", "unnet", ["unet"], "`x`"),
        MissingPackageError("This", "nilearn", extra="brain"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error):
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert str(same) == str(error)
