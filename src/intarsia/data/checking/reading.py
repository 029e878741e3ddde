"""Files are read once for a check: decoded, measured, and known again by their content."""

import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from intarsia.data.checking.cache import read_facts, write_facts
from intarsia.data.decoding import read_header
from intarsia.errors import DataError

Watcher = Callable[[int, int], None]

_LARGE = 50_000_000  # pixels; such files are decoded one at a time
_large_files = Lock()


@runtime_checkable  # for the checks of types in tests
class PartFacts(Protocol):
    """What is known of one file."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...


@runtime_checkable  # for the checks of types in tests
class SampleFacts(Protocol):
    """What is known of the files of one sample."""

    @property
    def parts(self) -> Sequence[PartFacts | str]:
        """The facts of each file, or the sentence that says why it cannot be read."""
        ...


@runtime_checkable  # for the checks of types in tests
class SampleFiles(Protocol):
    """The files of one sample, of which the image is the first."""

    @property
    def name(self) -> str:
        """Within its split."""
        ...

    @property
    def image(self) -> Path:
        """The image's file."""
        ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        ...


Facts = TypeVar("Facts")
Item = TypeVar("Item", bound=SampleFiles)
Known = TypeVar("Known", bound=SampleFacts)


def examine(
    path: Path,
    max_pixels: int,
    decode: Callable[..., Shaped[np.ndarray, "..."]],
    measure: Callable[[Shaped[np.ndarray, "..."], str, int], Facts],
) -> tuple[Shaped[np.ndarray, "..."] | None, Facts | str]:
    """The decoded file and its facts, or the sentence that says why there are none."""
    try:
        pages = read_header(path, max_pixels).pages
        pixels = decode(path, max_pixels=max_pixels)
        return pixels, measure(pixels, digest(path), pages)
    except DataError as error:
        return None, str(error)


def turn(paths: Collection[Path], max_pixels: int) -> AbstractContextManager[object]:
    """Large files are decoded one at a time."""
    try:
        pixels = sum(math.prod(read_header(path, max_pixels).shape) for path in paths)
    except DataError:
        return nullcontext()
    return _large_files if pixels > _LARGE else nullcontext()


def digest(path: Path) -> str:
    """The content of a file in 32 letters."""
    content = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return content.hexdigest()


def measured_by_content(
    samples: Sequence[Item],
    measure: Callable[[Item], Known],
    kind: type,
    root: Path,
    max_pixels: int,
    watch: Watcher | None,
    spelling: str = "",
) -> dict[Item, Known]:
    """The facts of all samples, by threads, and from the cache where the contents of their files are known.

    Args:
        samples: each once.
        measure: reads the files of one.
        kind: of the facts.
        root: of the set: its cache is found by it.
        max_pixels: the largest file whose facts are taken from the cache.
        watch: called with the number of samples that are done and of all.
        spelling: how files are understood, of which the same bytes have other facts in another.
    """
    kept: dict[str, Known] = read_facts(root, kind)
    fresh: dict[str, Known] = {}
    facts: dict[Item, Known] = {}

    def one(item: Item) -> tuple[str | None, Known]:
        try:
            key = " ".join((*map(digest, item.paths), spelling)).strip()
        except OSError:
            return None, measure(item)
        known = kept.get(key)
        return key, known if known is not None and _largest(known) <= max_pixels else measure(item)

    with ThreadPoolExecutor() as pool:
        for item, (key, fact) in zip(samples, pool.map(one, samples), strict=True):
            facts[item] = fact
            if key and not any(isinstance(part, str) for part in fact.parts):
                fresh[key] = fact  # sentences hold paths, and are not kept
            if watch is not None:
                watch(len(facts), len(samples))
    if fresh.keys() != kept.keys():
        write_facts(root, fresh, kind)
    return facts


def _largest(fact: SampleFacts) -> int:
    """Pixels of the largest of the files."""
    return max(math.prod(part.shape) for part in fact.parts if not isinstance(part, str))
