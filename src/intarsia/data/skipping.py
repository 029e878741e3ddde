"""Lists of files to leave out: one path a line, relative to the dataset; lines with # in front are comments."""

import os
from collections.abc import Iterable
from pathlib import Path

from intarsia.data.listing import read_text
from intarsia.errors import DataError
from intarsia.files import write_text


def read_skip_list(path: Path | str, source: Path | str) -> tuple[Path, ...]:
    """The files that a list names.

    Raises:
        DataError: the list is missing.
    """
    path, root = Path(path), Path(source).expanduser()
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise DataError(f"The list `{path}` cannot be read ({error.strerror}): correct the path.") from None
    return tuple(root / os.path.normpath(line) for line in lines if line.strip() and not line.startswith("#"))


def write_skip_list(path: Path | str, source: Path | str, files: Iterable[tuple[Path, str]]) -> None:
    """Write the files, each below the sentence that says why it is left out."""
    root = Path(source).expanduser()
    lines = ["# Files to leave out, relative to the dataset's folder."]
    for file, reason in files:
        lines += ["# " + " ".join(reason.split()), Path(os.path.relpath(file, root)).as_posix()]
    write_text(path, "\n".join(lines) + "\n")
