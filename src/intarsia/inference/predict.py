"""Masks for files, folders and globs; a bad file is reported and the rest goes on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from intarsia.errors import DataError, ScarceMemoryError
from intarsia.files import atomic
from intarsia.inference.jobs import Job
from intarsia.inference.result import Result, probabilities_of
from intarsia.inference.segmenter import Segmenter
from intarsia.inference.tiling import Part

Watcher = Callable[[Job, float], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the mask that was written, or the sentence that says why there is none."""

    job: Job
    mask: Path | None
    complaint: str | None


def predict_files(
    segmenter: Segmenter,
    jobs: Iterable[Job],
    out: str | Path,
    *,
    overlays: bool = False,
    probabilities: bool = False,
    watch: Watcher = lambda job, share: None,
) -> Iterator[Outcome]:
    """Write ``OUT/stem.png`` for each job, and on demand ``OUT/overlays/stem.jpg`` and ``OUT/probabilities/stem.npy``.

    Masks are index PNGs with the palette embedded, probabilities float16 (K, H, W). No float map of a whole image is
    made unless the network is shown the whole image: probabilities of large images are written part by part. An image
    that would be overwritten by its own mask, cannot be read, has other channels, or is too large to be refined in the
    memory that is free, is reported in its outcome.
    ``watch`` is told the finished share of the pixels of a job, again and again.
    """
    folder = Path(out)
    for job in jobs:
        try:
            mask = _named(folder, job, ".png")
            if mask.resolve() == job.image.resolve():
                raise DataError(f"The mask of `{job.image}` would overwrite it; choose another output folder.")
            array = _named(folder / "probabilities", job, ".npy") if probabilities else None
            result = _segment(segmenter, job, array, watch)
            result.save(mask)
            if overlays:
                _write_overlay(result, _named(folder / "overlays", job, ".jpg"))
        except DataError as error:
            yield Outcome(job, None, str(error))
        except ScarceMemoryError as error:  # of a refinement; a smaller image may do
            yield Outcome(job, None, f"`{job.image}`: {error}")
        else:
            yield Outcome(job, mask, None)


def _segment(segmenter: Segmenter, job: Job, array: Path | None, watch: Watcher) -> Result:
    image = segmenter.picture(job.image)
    rows, columns = image.shape[:2]
    done = 0
    with _probability_file(array, rows, columns) as write:

        def receive(part: Part) -> None:
            nonlocal done
            write(part)
            done += part[1].shape[1] * part[1].shape[2]
            watch(job, done / (rows * columns))

        return segmenter.predict(image, logits=False, watch=receive)


@contextmanager
def _probability_file(path: Path | None, rows: int, columns: int) -> Iterator[Callable[[Part], None]]:
    """What writes the probabilities of each part to its place in the file; without a path, nothing."""
    if path is None:
        yield lambda part: None
        return
    with atomic(path) as temporary:
        array: np.memmap | None = None

        def write(part: Part) -> None:
            nonlocal array
            window, logits = part
            if array is None:
                array = np.lib.format.open_memmap(temporary, "w+", np.dtype(np.float16), (len(logits), rows, columns))
            array[:, *window] = probabilities_of(logits)

        yield write
        array = None  # unmapped, hence on disk


def _write_overlay(result: Result, path: Path) -> None:
    with atomic(path) as temporary:
        Image.fromarray(result.overlay()).save(temporary, quality=92)


def _named(folder: Path, job: Job, extension: str) -> Path:
    return folder / job.stem.with_name(job.stem.name + extension)
