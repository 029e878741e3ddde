"""Which images are meant, and what their masks are called."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intarsia.data import IMAGE_EXTENSIONS
from intarsia.errors import DataError


@dataclass(frozen=True)
class Job:
    """One image to segment and where its mask goes, relative to the output folder, without extension."""

    image: Path
    stem: Path


def find_images(sources: str | Path | Sequence[str | Path], out: str | Path | None = None) -> list[Job]:
    """The images that files, folders (with their subfolders) and globs name, in order, each once.

    If ``out`` lies within a folder, its files do not count: masks of an earlier call are no photographs.
    Raises ``DataError`` when a source names none, or when two images would write the same file.
    """
    several = [sources] if isinstance(sources, str | Path) else sources
    return _distinct(job for source in several for job in _jobs(source, out))


def _jobs(source: str | Path, out: str | Path | None) -> list[Job]:
    path = Path(source)
    if path.is_file():
        return [Job(path, Path(path.stem))]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
        root = path
    else:
        files = sorted(Path(p) for p in glob.glob(str(source), recursive=True) if Path(p).is_file())  # noqa: PTH207  (absolute globs)
        root = None
    images = [p for p in files if p.suffix.lower() in IMAGE_EXTENSIONS and not _within(p, _inner(path, out))]
    if not images:
        missing = "" if path.exists() or files else " (there is no such file or folder)"
        raise DataError(f"`{source}` names no image{missing}; give images, folders of images or a quoted glob.")
    return [Job(p, (p.relative_to(root) if root else Path(p.name)).with_suffix("")) for p in images]


def _distinct(jobs: Iterator[Job]) -> list[Job]:
    """Each image once; two that would write the same file are refused."""
    found: dict[Path, Job] = {}
    for job in jobs:
        other = found.setdefault(job.stem, job)
        if other.image.resolve() != job.image.resolve():
            raise DataError(
                f"`{other.image}` and `{job.image}` would write the same file `{job.stem}.png`; "
                "rename one or predict them into two folders."
            )
    return list(found.values())


def _inner(folder: Path, out: str | Path | None) -> Path | None:
    """``out``, if it lies within the folder and is not the folder itself."""
    if out is None or Path(out).resolve() == folder.resolve():
        return None
    return Path(out) if _within(Path(out), folder) else None


def _within(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
