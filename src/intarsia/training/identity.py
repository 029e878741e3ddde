"""By what the data of a training are known again."""

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from intarsia.data import FileSample, LabelledSample, Sample
from intarsia.data.checking.reading import digest
from intarsia.data.depth import DepthSample, FileDepthSample
from intarsia.data.depth.nyu import NYUSample
from intarsia.errors import DataError
from intarsia.training.admission import Data
from intarsia.training.processes import everywhere


def fingerprint(dataset: Data, others: Collection[str] = ()) -> str:
    """Of what is trained and validated on, in order, names and files' bytes: other data make another training.

    These are the splits train and val, and the ``others`` that the data list.
    """
    splits = ("train", "val", *sorted({*others} & {*dataset.splits} - {"train", "val"}))
    parts: Sequence[str] = [
        part for split in splits for sample in dataset.split(split) for part in (split, *_identity(sample))
    ]
    content = blake2b(repr((parts, dataset.pixels)).encode(errors="surrogateescape"), digest_size=8)
    return f"{sum(len(dataset.split(split)) for split in splits)} images {content.hexdigest()}"


def agreed_fingerprint(dataset: Data, others: Collection[str] = ()) -> str:
    """The :func:`fingerprint` that the data have in every process. Raises ``DataError`` if they are not the same."""
    first, *rest = everywhere(lambda: fingerprint(dataset, others))
    for rank, other in enumerate(rest, start=1):
        if other != first:
            raise DataError(
                f"`{dataset.name}` is not the same for all processes ({first} for process 0, {other} for process "
                f"{rank}): all must read the same files, so put the folder where every machine sees it."
            )
    return first


def _identity(sample: Sample | DepthSample) -> tuple[str, ...]:
    return sample.name, *(_digest(path, path.stat().st_mtime_ns) for path in _files(sample))


def _files(sample: Sample | DepthSample) -> Iterator[Path]:
    """What a sample is read from: built-in ones are what their names say, and a classified one's begins so."""
    if isinstance(sample, (LabelledSample, FileSample, FileDepthSample)):
        yield sample.image_path
    if isinstance(sample, FileSample):
        yield sample.mask_path
    if isinstance(sample, FileDepthSample):
        yield sample.depth_path
        if sample.measured_path is not None:
            yield sample.measured_path
    if isinstance(sample, NYUSample):
        yield sample.path


@lru_cache(maxsize=1)  # NYU's samples are one file, of gigabytes
def _digest(path: Path, changed: int) -> str:
    del changed  # it tells one content from the next
    return digest(path)
