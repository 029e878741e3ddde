"""The dense CRF: against mean field with all pairs written out, and by its laws."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from reference import crf_cases
from reference.dense_crf import appearance, divergence, kernel, mean_field, smoothness

from intarsia.energies import CRFSettings, DenseCRF, FeatureKernel, dense_crf

PYDENSECRF = json.loads((Path(__file__).parents[1] / "golden" / "crf_pydensecrf.json").read_text())


@pytest.fixture(params=["images", "general"], autouse=True)
def path(request, monkeypatch):
    """Every law holds for the kernels that know images only, and for the general ones, which serve all else."""
    if request.param == "general":
        monkeypatch.setattr(sys.modules[DenseCRF.__module__], "is_fast", lambda *_: False)
    return request.param


@pytest.fixture
def near(path):
    """How far smoothness alone may be from all pairs after ten iterations: one has half as many rows and columns."""
    return {"images": 4e-3, "general": 2e-4}[path]


SMOOTH_ALONE = {"appearance_weight": 0.0}


def probabilities_of(classes, *size, seed=0, contrast=1.5):
    logits = np.random.default_rng(seed).normal(0, contrast, (classes, *size))
    shares = np.exp(logits)
    return (shares / shares.sum(axis=0)).astype(np.float32)


def picture_of(*size, seed=0):
    """Two colours with a border, and noise."""
    image = np.random.default_rng(seed).normal(80, 12, size)
    image[size[0] // 2 :] += 90
    return image.clip(0, 255).astype(np.uint8)


def ours(image, probabilities, colours, smooth):
    return dense_crf(probabilities, image, smoothness_sxy=smooth, appearance_sxy=colours[0], appearance_srgb=colours[1])


@cache
def exact(place, colours, smooth):
    return crf_cases.exact(*crf_cases.scene(*place), *colours, smooth)


def test_as_near_to_all_pairs_as_pydensecrf():
    """Over all cases; in a single one either of both may be nearer, since most of the error is that of one lattice."""
    errors = []
    for case in PYDENSECRF["cases"]:
        image, probabilities = crf_cases.scene(*case["scene"])
        if image.shape[0] > 40 and case["smooth"] != 3.0:
            continue  # a second each
        wanted = exact(tuple(case["scene"]), tuple(case["colours"]), case["smooth"])
        error, agreement = crf_cases.scores(ours(image, probabilities, case["colours"], case["smooth"]), wanted)
        errors.append((error, case["error"]))
        assert agreement >= 0.98 * case["agreement"]
        assert error <= 1.1 * case["error"]
    mean, theirs = np.exp(np.log(errors).mean(axis=0))
    assert mean <= 1.02 * theirs


def test_the_same_map_as_pydensecrf():
    stored = PYDENSECRF["large"]
    image, probabilities = crf_cases.scene(*stored["scene"])
    labels = ours(image, probabilities, stored["colours"], stored["smooth"]).argmax(axis=0)
    theirs = crf_cases.unpacked(stored["labels"], labels.shape)
    assert (probabilities.argmax(axis=0) == theirs).mean() < 0.9
    assert (labels == theirs).mean() >= 0.998


@pytest.mark.parametrize("size", [(40,), (12, 17), (5, 6, 7), (1, 1), (1, 30), (30, 1)])
@pytest.mark.parametrize("normalisation", ["symmetric", "before", "after", "none"])
def test_smoothness_alone_is_that_of_all_pairs(size, normalisation, near):
    probabilities = probabilities_of(4, *size)
    options = {"smoothness_weight": 0.4 if normalisation == "none" else 3.0, "smoothness_sxy": 1.7}
    found = dense_crf(probabilities, normalisation=normalisation, **options)
    K = kernel(smoothness(size, 1.7), normalisation)
    np.testing.assert_allclose(found, mean_field(probabilities, [(K, options["smoothness_weight"])]), atol=near)


def test_a_compatibility_matrix_is_used_as_it_is(near):
    size, mu = (14, 11), np.array([[0.0, 2.0, 0.3], [0.5, 0.1, 1.0], [-0.2, 1.5, 0.0]])
    probabilities = probabilities_of(3, *size)
    found = dense_crf(probabilities, compatibility=mu, **SMOOTH_ALONE)
    K = kernel(smoothness(size, 3.0))
    np.testing.assert_allclose(found, mean_field(probabilities, [(K, 3.0)], compatibility=mu), atol=near)


def test_potts_is_a_penalty_of_one_for_other_classes():
    image, probabilities = picture_of(20, 30, 3), probabilities_of(4, 20, 30)
    with_matrix = dense_crf(probabilities, image, compatibility=1 - np.eye(4))
    np.testing.assert_allclose(with_matrix, dense_crf(probabilities, image), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "channels", "dtype", "limit"),
    [
        ((300,), (), np.uint8, 0.03),
        ((20, 25), (), np.uint8, 0.03),
        ((20, 25), (3,), np.uint8, 0.03),
        ((20, 25), (3,), np.uint16, 0.03),
        ((20, 25), (5,), np.uint8, 0.06),
        ((6, 8, 9), (), np.uint8, 0.03),
        ((6, 8, 9), (2,), np.float32, 0.03),
    ],
)
def test_any_grid_and_any_channels(size, channels, dtype, limit):
    levels = picture_of(*size, *channels)
    levels.flat[:2] = 0, 255  # as floats are spread over 0 … 255
    image = (levels.astype(dtype) * 256) if dtype == np.uint16 else levels.astype(dtype)
    probabilities = probabilities_of(3, *size)
    found = dense_crf(probabilities, image, appearance_sxy=15.0, appearance_srgb=40.0, smoothness_weight=1.0)
    kernels = [(kernel(smoothness(size, 3.0)), 1.0), (kernel(appearance(size, levels, 15.0, 40.0)), 10.0)]
    wanted = mean_field(probabilities, kernels)
    assert np.abs(found - wanted).mean() < limit < np.abs(probabilities - wanted).mean() / 3


def test_a_kernel_of_other_features():
    size = (15, 20)
    depth = np.where(np.arange(20) < 9, 1.0, 6.0) + np.random.default_rng(0).normal(0, 0.2, size)
    probabilities = probabilities_of(3, *size)
    found = dense_crf(probabilities, kernels=[FeatureKernel(depth[..., None], 5.0)], smoothness_weight=0.0)
    wanted = mean_field(probabilities, [(kernel(depth.reshape(-1, 1)), 5.0)])
    assert np.abs(found - wanted).mean() < 0.02 < np.abs(probabilities - wanted).mean() / 5


@pytest.mark.parametrize("options", [{}, {"appearance_sxy": 5.0}, {"normalisation": "after"}])
def test_q_sums_to_one(options):
    found = dense_crf(probabilities_of(6, 20, 31), picture_of(20, 31, 3), **options)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("options", [{"iterations": 0}, {"smoothness_weight": 0.0, "appearance_weight": 0.0}])
def test_without_weights_or_iterations_nothing_changes_but_the_clip(options):
    probabilities = probabilities_of(3, 9, 8)
    probabilities[:, 0, 0] = 1, 0, 0
    clipped = probabilities.clip(1e-5)
    found = dense_crf(probabilities, picture_of(9, 8, 3), **options)
    np.testing.assert_allclose(found, clipped / clipped.sum(axis=0), rtol=1e-5)


def test_on_a_constant_image_appearance_is_smoothness():
    probabilities = probabilities_of(3, 30, 40)
    flat = np.full((30, 40, 3), 90, np.uint8)
    found = dense_crf(probabilities, flat, smoothness_weight=0.0, appearance_weight=6.0, appearance_sxy=4.0)
    wanted = dense_crf(probabilities, smoothness_weight=6.0, smoothness_sxy=4.0)
    assert np.abs(found - wanted).mean() < 0.02 < np.abs(probabilities - wanted).mean() / 5


def test_an_appearance_that_nothing_shares_leaves_each_pixel_alone():
    """Each pixel then sends to itself only, by weight 10 and no more than its own probability."""
    probabilities = probabilities_of(2, 6, 6)
    image = (np.arange(36, dtype=np.uint8) * 7).reshape(6, 6)
    found = dense_crf(probabilities, image, smoothness_weight=0.0, appearance_srgb=0.1)
    np.testing.assert_allclose(found, mean_field(probabilities, [(np.eye(36), 10.0)]), atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"compatibility": "matrix"}])
def test_permuted_classes_give_a_permuted_answer(options):
    image, probabilities, order = picture_of(20, 24, 3), probabilities_of(5, 20, 24), [3, 0, 4, 2, 1]
    mu = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    both = ({"compatibility": mu}, {"compatibility": mu[order][:, order]}) if options else ({}, {})
    found = dense_crf(probabilities, image, **both[0])
    np.testing.assert_allclose(dense_crf(probabilities[order], image, **both[1]), found[order], atol=1e-5)


def test_a_mirrored_image_gives_a_mirrored_answer():
    image, probabilities = crf_cases.scene("coffee", 60, 80)
    found = dense_crf(probabilities, image, appearance_sxy=20.0)
    mirrored = dense_crf(probabilities[:, :, ::-1], image[:, ::-1], appearance_sxy=20.0)[:, :, ::-1]
    assert np.abs(found - mirrored).mean() < 0.02  # the lattice has no such symmetry
    alone = dense_crf(probabilities, **SMOOTH_ALONE)
    np.testing.assert_allclose(dense_crf(probabilities[:, ::-1], **SMOOTH_ALONE)[:, ::-1], alone, atol=1e-5)


def test_memory_of_any_kind_is_read_and_none_is_changed():
    image, probabilities = picture_of(20, 24, 3), probabilities_of(4, 20, 24)
    wanted = dense_crf(probabilities, image)
    spread = np.zeros((20, 24, 8), np.uint8)
    spread[..., ::3] = image
    turned = np.ascontiguousarray(np.moveaxis(probabilities, 0, -1))
    for array in (spread, turned):
        array.flags.writeable = False
    np.testing.assert_array_equal(dense_crf(np.moveaxis(turned, -1, 0), spread[..., ::3]), wanted)
    wide = dense_crf(probabilities.astype(np.float64), image)
    np.testing.assert_allclose(wide, wanted, atol=1e-5)
    half = dense_crf(probabilities.astype(np.float16), image)
    np.testing.assert_allclose(half, wanted, atol=0.02)


@pytest.mark.parametrize("classes", [2, 255])
def test_the_fewest_and_the_most_classes(classes, near):
    probabilities = probabilities_of(classes, 8, 9)
    found = dense_crf(probabilities, **SMOOTH_ALONE)
    np.testing.assert_allclose(found, mean_field(probabilities, [(kernel(smoothness((8, 9), 3.0)), 3.0)]), atol=near)


def test_an_object_called_again_is_the_function():
    first, second = picture_of(20, 24, 3), picture_of(20, 24, 3, seed=1)
    near, far = probabilities_of(4, 20, 24), probabilities_of(3, 20, 24, seed=2)
    extra = [FeatureKernel(np.random.default_rng(0).random((20, 24, 2)), 2.0)]
    crf = DenseCRF(first)
    assert crf.size == (20, 24)
    for image, probabilities, options, kernels in (
        (first, near, {}, []),
        (first, far, {"appearance_srgb": 30.0}, extra),
        (first, near, {"smoothness_sxy": 1.0, "normalisation": "before"}, extra),
        (second, near, {"appearance_weight": 0.0}, []),
        (second, near, {"smoothness_weight": 0.0}, []),
    ):
        found = crf.next_image(image)(probabilities, CRFSettings(**options), kernels=kernels)
        np.testing.assert_array_equal(found, dense_crf(probabilities, image, kernels=kernels, **options))


def test_divergences_are_those_of_the_formula_and_end_the_iterations(near):
    size, probabilities = (12, 15), probabilities_of(3, 12, 15)
    crf, settings = DenseCRF(size=size), CRFSettings(smoothness_weight=1.0)
    every = crf(probabilities, settings, tolerance=0)
    kernels = [(kernel(smoothness(size, 3.0)), 1.0)]
    constant = sum(K.sum() / 2 * weight for K, weight in kernels)  # Potts as 1 - [same] or as -[same]
    wanted = [
        divergence(mean_field(probabilities, kernels, steps), probabilities, kernels) - constant for steps in range(10)
    ]
    np.testing.assert_allclose(crf.divergences, wanted, rtol=1e-3)
    assert np.diff(crf.divergences).max() < 1e-4  # it never rises, but for rounding
    early = crf(probabilities, settings, tolerance=1e-5)
    assert 2 < len(crf.divergences) < 10
    assert crf.divergences[-2] - crf.divergences[-1] < 1e-5 * 12 * 15 < crf.divergences[-3] - crf.divergences[-2]
    np.testing.assert_allclose(early, mean_field(probabilities, kernels, len(crf.divergences)), atol=near)
    assert 0 < np.abs(early - every).max() < 1e-2
    assert crf(probabilities, settings) is not None
    assert crf.divergences == ()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_calls_from_eight_threads_give_the_same_bits(threads):
    image, probabilities = crf_cases.scene("coffee", 60, 80)
    alone = dense_crf(probabilities, image, n_threads=threads)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: dense_crf(probabilities, image, n_threads=threads), range(16)))
    for answer in answers:
        np.testing.assert_array_equal(answer, alone)
    np.testing.assert_allclose(alone, dense_crf(probabilities, image), atol=1e-5)


def test_a_forked_process_gets_the_same_answer():
    """After a call in its parent, as loaders fork; in a process of its own, that no other thread runs in."""
    code = """
import os, sys
import numpy as np
from intarsia.energies import dense_crf
image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
probabilities = np.random.default_rng(1).dirichlet([1, 1, 1], (20, 24)).transpose(2, 0, 1)
found = dense_crf(probabilities, image, n_threads=2)
child = os.fork()
if child == 0:
    os._exit(0 if (dense_crf(probabilities, image, n_threads=2) == found).all() else 1)
sys.exit(os.waitpid(child, 0)[1] >> 8)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
