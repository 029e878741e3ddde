"""Shapes are checked in every test: jaxtyping's annotations, by beartype."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers, one thread each

from collections.abc import Iterator

import jaxtyping
import pytest
from jaxtyping import install_import_hook

install_import_hook("intarsia", "typecheck.check")


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """For tests of our own refusals, which would otherwise come from the shape checker."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two test workers share two cores."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
