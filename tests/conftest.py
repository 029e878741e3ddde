"""A tiny data set on disk and a tiny run, made once for each test worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import TINY, write_discs


@pytest.fixture(scope="session", autouse=True)
def _cache_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What checks keep goes into a folder of the tests', also from processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTARSIA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_word_of_compiling() -> None:
    """Whether a kernel is compiled depends on the tests before; what commands print must not."""
    from intarsia.kernels.compiled import announcement

    announcement.said = True


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that any test may read and none may change."""
    return write_discs(tmp_path_factory.mktemp("discs") / "photos")


@pytest.fixture(scope="session")
def disc_run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the discs, for reading only."""
    from intarsia.training import train

    out = tmp_path_factory.mktemp("runs") / "discs"
    train(data=str(discs), out=out, quiet=True, **TINY)
    return out
