"""Writing files so that nobody ever sees half of one."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_PARTIAL = ".partial-"
_NAME = 40  # letters of the file's own name, so that the longest names have room for the rest


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes the place of ``path`` only if the block ends well.

    The temporary name keeps the extension, hides behind a dot, and is removed after an error.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    path = Path(os.path.realpath(path))  # a link goes on pointing to its file
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:_NAME]}{_PARTIAL}{uuid4().hex[:12]}{path.suffix}")
    temporary.touch(exist_ok=False)
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # writers may make a file of their own, for nobody else to read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def partial_folder(path: str | Path) -> Iterator[Path]:
    """A hidden folder beside ``path``, gone afterwards, for writers that make temporary files under names of their own.

    What such a writer leaves when it is killed is then found by the folder's name.
    """
    path = Path(os.path.realpath(path))
    folder = path.with_name(f".{path.stem[:_NAME]}{_PARTIAL}{uuid4().hex[:12]}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_partial(path: Path) -> bool:
    """Whether it is what a writer that was killed has left.

    >>> is_partial(Path("run/.recipe.partial-0123456789ab.json"))
    True
    """
    return path.name.startswith(".") and _PARTIAL in path.name


def clear_partial_files(folder: str | Path) -> None:
    """Remove what writers that were killed have left below ``folder``."""
    for leftover in sorted(Path(folder).rglob(f".*{_PARTIAL}*")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
