"""What names a set: a folder, or `sample:` and the name of a built-in one."""

from pathlib import Path

from intarsia.errors import DataError

_PREFIX = "sample:"


def is_sample(source: str | Path) -> bool:
    """Whether the source names a built-in set."""
    return str(source).startswith(_PREFIX)


def name_of_sample(source: str | Path) -> str:
    """The name of a built-in set without what says that it is one.

    >>> name_of_sample("sample:brain")
    'brain'
    """
    return str(source).removeprefix(_PREFIX)


def name_of(source: str | Path) -> str:
    """The name of the dataset in a folder: the folder's."""
    return expanded(Path(source)).resolve().name


def existing_folder(source: str | Path) -> Path:
    """The folder at a path, with ~ replaced.

    Raises:
        DataError: there is none.
    """
    folder = expanded(Path(source))
    if not folder.exists():
        raise DataError(
            f"There is no folder `{folder}`: correct the path, or name a built-in set such as sample:materials."
        )
    if not folder.is_dir():
        raise DataError(f"`{folder}` is a file: name the folder that holds the images and masks.")
    return folder


def expanded(path: Path) -> Path:
    """The path with ~ replaced; an unknown user's stays, and is then not found."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
