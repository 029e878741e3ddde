"""Masks for a file, a folder or a glob; a bad file is reported and the rest goes on."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from intarsia.data import IMAGE_EXTENSIONS
from intarsia.errors import DataError
from intarsia.files import atomic
from intarsia.inference.segmenter import Result, Segmenter


@dataclass(frozen=True)
class Job:
    """One image to segment and where its mask goes, relative to the output folder, without extension."""

    image: Path
    stem: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the mask that was written, or the sentence that says why there is none."""

    job: Job
    mask: Path | None
    complaint: str | None


def find_images(source: str | Path, out: str | Path | None = None) -> list[Job]:
    """The images that a file, a folder (with its subfolders) or a glob names, in order.

    If ``out`` lies within the folder, its files do not count: masks of an earlier call are no photographs.
    Raises ``DataError`` when there is none, or when two images would write the same mask.
    """
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
        raise DataError(f"`{source}` names no image{missing}; give an image, a folder of images or a quoted glob.")
    jobs = [Job(p, (p.relative_to(root) if root else Path(p.name)).with_suffix("")) for p in images]
    _refuse_collisions(jobs)
    return jobs


def predict_files(
    segmenter: Segmenter, jobs: list[Job], out: str | Path, *, overlays: bool = False, probabilities: bool = False
) -> Iterator[Outcome]:
    """Write ``OUT/stem.png`` for each job, and on demand ``OUT/overlays/stem.jpg`` and ``OUT/probabilities/stem.npy``.

    Masks are index PNGs with the palette embedded, probabilities float16 (K, H, W). An image that would be overwritten
    by its own mask, or cannot be read, is reported in its outcome.
    """
    folder = Path(out)
    for job in jobs:
        try:
            mask = folder / job.stem.with_name(job.stem.name + ".png")
            if mask.resolve() == job.image.resolve():
                raise DataError(f"The mask of `{job.image}` would overwrite it; choose another output folder.")
            result = segmenter.predict(job.image)
            _write(result, mask)
            if overlays:
                _write_overlay(result, folder / "overlays" / job.stem.with_name(job.stem.name + ".jpg"))
            if probabilities:
                _write_array(result, folder / "probabilities" / job.stem.with_name(job.stem.name + ".npy"))
        except DataError as error:
            yield Outcome(job, None, str(error))
        else:
            yield Outcome(job, mask, None)


def _write(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    result.save(path)


def _write_overlay(result: Result, path: Path) -> None:
    with atomic(path) as temporary:
        Image.fromarray(result.overlay()).save(temporary, quality=92)


def _write_array(result: Result, path: Path) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, result.probabilities.astype(np.float16))


def _inner(folder: Path, out: str | Path | None) -> Path | None:
    """``out``, if it lies within the folder and is not the folder itself."""
    if out is None or Path(out).resolve() == folder.resolve():
        return None
    return Path(out) if _within(Path(out), folder) else None


def _within(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _refuse_collisions(jobs: list[Job]) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        if job.stem in seen:
            raise DataError(
                f"`{seen[job.stem]}` and `{job.image}` would write the same mask `{job.stem}.png`; "
                "rename one or predict them into two folders."
            )
        seen[job.stem] = job.image
