"""Shapes are checked in every test: jaxtyping's annotations, by beartype. Only `-m gpu` shows GPUs to tests."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers, one thread each

from collections.abc import Iterator

import jaxtyping
import pytest
from jaxtyping import install_import_hook

install_import_hook("intarsia", "typecheck.check")


def pytest_configure(config: pytest.Config) -> None:
    """Hide the GPUs from all other tests, which ask for the same bits; a GPU adds up in an order of its own."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none to be seen."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a GPU, and `pytest -m gpu`")


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
