"""The two ways of the dense CRF: kernels that know images only, and the general ones; and where the border is."""

import sys

import numpy as np
import pytest
from reference import crf_cases

from intarsia.energies import CRFSettings, DenseCRF, FeatureKernel, dense_crf
from intarsia.energies.crf_settings import compatibility_of
from intarsia.errors import ArgumentError

MODULE = sys.modules[DenseCRF.__module__]


@pytest.fixture
def general(monkeypatch):
    """The same function by the general kernels."""

    def run(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(MODULE, "is_fast", lambda *_: False)
            return dense_crf(*arguments, **options)

    return run


@pytest.fixture
def ways(monkeypatch):
    """Which way each call went."""
    taken = []
    fast, slow = MODULE._run_fast, MODULE.GeneralMeanField.run

    def by_images(*arguments):
        result = fast(*arguments)
        taken.extend(["images"] if result is not None else [])
        return result

    def by_all(*arguments):
        taken.append("general")
        return slow(*arguments)

    monkeypatch.setattr(MODULE, "_run_fast", by_images)
    monkeypatch.setattr(MODULE.GeneralMeanField, "run", by_all)
    return taken


def noise(classes, size, channels, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.normal(128, 20, (*size, channels)).clip(0, 255).astype(np.uint8)
    return generator.dirichlet(np.ones(classes), size).transpose(2, 0, 1).astype(np.float32), image


@pytest.mark.parametrize(
    ("size", "channels", "classes"),
    [
        ((1, 64), 3, 5),
        ((64, 1), 3, 5),
        ((5, 13), 1, 2),
        ((8, 8), 3, 2),
        ((9, 200), 3, 3),
        ((50, 7), 1, 8),
        ((20, 30), 2, 9),
        ((20, 30), 4, 17),
        ((20, 30), 5, 25),
        ((31, 33), 3, 40),
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_both_give_one_answer(size, channels, classes, threads, general, ways):
    probabilities, image = noise(classes, size, channels)
    options = {"appearance_sxy": 20.0, "appearance_srgb": 30.0, "smoothness_sxy": 4.0}
    found, wanted = (
        dense_crf(probabilities, image, n_threads=threads, **options),
        general(probabilities, image, **options),
    )
    assert ways == ["images", "general"]
    assert np.abs(found - wanted).mean() < min(1e-3, np.abs(probabilities - wanted).mean() / 20)
    assert (found.argmax(axis=0) == wanted.argmax(axis=0)).mean() > 0.99


@pytest.mark.parametrize(
    "options",
    [
        {"smoothness_sxy": 0.4},
        {"smoothness_sxy": 1.5},
        {"smoothness_sxy": 2.0},
        {"smoothness_sxy": 9.0},
        {"smoothness_sxy": 500.0},
        {"smoothness_sxy": 1e6},  # the grid's taps reach no further than the image
        {"smoothness_sxy": 1e300, "appearance_sxy": 1e300},
        {"smoothness_weight": 0.0},
        {"appearance_weight": 0.0},
        {"appearance_sxy": 3.0, "appearance_srgb": 4.0},
        {"appearance_srgb": 2000.0},
        {"smoothness_weight": 0.0, "appearance_weight": 0.0},
        {"iterations": 0},
        {"smoothness_weight": 60.0, "appearance_weight": 90.0},
        {"compatibility": [[0.0, 1.0, 2.0], [1.5, 0.2, 1.0], [2.0, 1.0, -0.3]]},
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_for_all_parameters(options, depth, general, ways):
    probabilities, image = noise(3, (24, 33), 3)
    image = image if depth == 8 else image.astype(np.uint16) * 256 + 77
    found, wanted = (run(probabilities, image, **options) for run in (dense_crf, general))
    assert ways == ["images", "general"]
    assert np.abs(found - wanted).mean() < 2e-3


@pytest.mark.parametrize("classes", [(8, 3), (6, 3), (5, 2), (24, 17)])
def test_an_object_forgets_the_classes_of_the_call_before(classes):
    """All but the last take one block of eight."""
    more, image = noise(classes[0], (20, 30), 3)
    fewer, _ = noise(classes[1], (20, 30), 3, seed=1)
    settings = CRFSettings(compatibility=compatibility_of(1 - np.eye(2)) if classes[1] == 2 else None)
    crf = DenseCRF(image)
    crf(more)
    np.testing.assert_array_equal(crf(fewer, settings), DenseCRF(image)(fewer, settings))


@pytest.mark.parametrize("classes", [2, 3, 5, 8, 19])
@pytest.mark.parametrize("weight", [100.0, 1000.0])
def test_large_penalties_of_other_classes_are_those_of_potts(classes, weight, general):
    """Then messages are far below those of the classes that pad a block, which have no say."""
    probabilities, image = noise(classes, (20, 30), 3)
    image[:, 15:] //= 2
    options = {"appearance_weight": weight, "smoothness_weight": weight, "iterations": 3}
    potts = dense_crf(probabilities, image, **options)
    options["compatibility"] = 1 - np.eye(classes)
    found, wanted = (run(probabilities, image, **options) for run in (dense_crf, general))
    assert np.abs(found - probabilities).mean() > 0.05
    for other in (potts, wanted):
        assert (found.argmax(axis=0) == other.argmax(axis=0)).mean() > 0.98
        assert np.abs(found - other).mean() < 0.02


def test_a_photograph(general):
    image, probabilities = crf_cases.scene("astronaut", 160, 180)
    found, wanted = dense_crf(probabilities, image), general(probabilities, image)
    assert np.abs(found - wanted).mean() < 1e-3
    assert (found.argmax(axis=0) == wanted.argmax(axis=0)).mean() > 0.998


@pytest.mark.parametrize(
    ("size", "channels", "options", "way"),
    [
        ((8, 8), 3, {}, "images"),
        ((7, 9), 3, {}, "general"),  # fewer pixels than a block
        ((20, 20), 6, {}, "general"),
        ((20, 20), 3, {"normalisation": "after"}, "general"),
        ((20, 20), 3, {"appearance_srgb": 0.002}, "general"),  # names of corners take more than 63 bits
    ],
)
def test_where_the_border_is(size, channels, options, way, ways):
    probabilities, image = noise(3, size, channels)
    assert np.isfinite(dense_crf(probabilities, image, **options)).all()
    assert ways == [way]


def test_more_kernels_and_divergences_are_for_the_general_way(ways):
    probabilities, image = noise(3, (20, 20), 3)
    crf = DenseCRF(image)
    crf(probabilities, CRFSettings(), kernels=[FeatureKernel(np.zeros((20, 20, 1)), 1.0)])
    crf(probabilities, CRFSettings(), tolerance=0)
    crf(probabilities, CRFSettings())
    assert ways == ["general", "general", "images"]


def test_a_lattice_that_outgrows_the_memory_is_refused(monkeypatch):
    """Told while it grows: how many corners an image has is not known before."""
    probabilities, _ = noise(2, (120, 150), 3)
    image = np.random.default_rng(0).integers(0, 256, (120, 150, 3), np.uint8)
    monkeypatch.setattr("intarsia.kernels.memory._ALWAYS_THERE", 0)
    monkeypatch.setattr("intarsia.kernels.memory.free_memory", lambda: 3_000_000)
    assert dense_crf(probabilities, image // 16) is not None
    with pytest.raises(ArgumentError, match=r"A lattice of so many corners needs .* of memory, and .* are free"):
        dense_crf(probabilities, image, appearance_srgb=1.0)


def test_values_that_outgrow_the_memory_are_refused(monkeypatch):
    probabilities, image = noise(40, (120, 150), 3)
    monkeypatch.setattr("intarsia.kernels.memory._ALWAYS_THERE", 0)
    monkeypatch.setattr("intarsia.kernels.memory.free_memory", lambda: 15_000_000)
    with pytest.raises(
        ArgumentError, match=r"A lattice of [\d,]+ corners needs 0\.0 GB of memory, and 0\.0 GB are free"
    ):
        dense_crf(probabilities, image, appearance_srgb=2.0)
