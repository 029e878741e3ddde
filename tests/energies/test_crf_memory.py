"""The memory of the dense CRF is asked for before it is taken."""

import sys
import tracemalloc

import numpy as np
import pytest

from intarsia.energies import DenseCRF, dense_crf
from intarsia.errors import ArgumentError
from intarsia.kernels import memory

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def halves(*shape, place=None, value=0.5):
    result = np.full(shape, 1 / shape[0] if shape[0] else 0)
    if place is not None:
        result[place] = value
    return result


@pytest.mark.parametrize(("classes", "needs"), [(2, r"4\.5"), (21, r"19\.6")])
def test_fifty_megapixels_are_refused_before_memory_is_taken(classes, needs, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 3_000_000_000)
    probabilities = np.broadcast_to(np.float32(1 / classes), (classes, 7000, 7200))  # no memory
    with pytest.raises(
        ArgumentError,
        match=rf"A CRF of 50,400,000 positions and {classes} classes needs {needs} GB of memory, and 3\.0 GB are free; "
        "make the image smaller, or go through it in parts that overlap",
    ):
        dense_crf(probabilities, np.zeros((7000, 7200), np.uint8))


@pytest.mark.parametrize("grain", [0, 15])  # without it an image has few corners
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 21])
def test_what_is_asked_for_is_what_is_taken(classes, dtype, grain, monkeypatch):
    generator = np.random.default_rng(0)
    image = np.sin(np.arange(200 * 300 * 3) / 9000).reshape(200, 300, 3) * 80 + 128
    image = (image + generator.normal(0, grain, image.shape)).clip(0, 255).astype(np.uint8)
    probabilities = np.full((classes, 200, 300), 1 / classes, dtype)
    asked = []

    def ask(needed, what):
        asked.append(tracemalloc.get_traced_memory()[0] + needed)

    for module in (
        "energies.dense_crf",
        "kernels.mean_field.fast",
        "kernels.permutohedral.distinct",
        "kernels.permutohedral.image_lattice",
    ):
        monkeypatch.setattr(sys.modules[f"intarsia.{module}"], "require_memory", ask)
    dense_crf(probabilities, image)  # kernels are compiled
    crf = DenseCRF(image)
    asked.clear()
    tracemalloc.start()
    crf(probabilities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.95 * peak < max(asked) < 1.4 * peak
    assert asked[0] > (0.4 if grain else 0.9) * peak


def test_a_lattice_without_room_is_refused(monkeypatch):
    from intarsia.energies import crf_kernels

    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    monkeypatch.setattr(crf_kernels, "free_memory", lambda: 100_000)
    with pytest.raises(
        ArgumentError, match=r"`features` of 2000 points need more than .* take larger σs, or fewer points"
    ):
        dense_crf(halves(2, 40, 50), image, appearance_srgb=1.0, normalisation="after")


def test_an_image_that_cannot_be_copied_is_refused() -> None:
    with pytest.raises(ArgumentError, match="A copy of an image of shape"):
        DenseCRF(np.broadcast_to(np.uint8(1), (10**7, 10**7)))
