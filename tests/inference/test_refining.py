"""A segmenter with a refinement: its answers are the dense CRF's, in every form that answers take."""

import math
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from standins import pointwise

from intarsia.data import open_dataset
from intarsia.energies.crf_settings import CRFSettings
from intarsia.energies.dense_crf import DenseCRF
from intarsia.errors import ArgumentError, DataError, RunError
from intarsia.inference import Views, evaluate, evaluate_both, load
from intarsia.inference.limits import MAP_FLOATS, REFINED_FLOATS, REFINED_MAPS, TILE, Limits
from intarsia.inference.refining import refined, refined_probabilities
from intarsia.inference.result import probabilities_of
from intarsia.runs import Run
from intarsia.runs.refinement import Refinement

SETTINGS = CRFSettings(
    3, smoothness_weight=1, smoothness_sxy=2, appearance_weight=2, appearance_sxy=9, appearance_srgb=20
)
REFINEMENT = Refinement(SETTINGS)


def picture(channels: int = 3, rows: int = 30, columns: int = 34) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, channels), np.uint8)


def test_logits_are_those_of_the_crf() -> None:
    image, logits = picture(), torch.randn(4, 30, 34, generator=torch.Generator().manual_seed(0))
    expected = DenseCRF(image)(probabilities_of(logits), SETTINGS)
    answer = refined(logits, torch.from_numpy(image), SETTINGS)
    np.testing.assert_allclose(answer.softmax(0).numpy(), expected, atol=1e-6)
    assert np.abs(expected - probabilities_of(logits)).mean() > 0.05, "the CRF does something"


def test_one_logit_is_two_classes() -> None:
    image, logit = picture(), torch.randn(1, 30, 34, generator=torch.Generator().manual_seed(0))
    share = logit.sigmoid().numpy()
    expected = DenseCRF(image)(np.concatenate([1 - share, share]), SETTINGS)[1]
    answer = refined(logit, torch.from_numpy(image), SETTINGS)
    assert answer.shape == (1, 30, 34)
    np.testing.assert_allclose(answer[0].sigmoid().numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(answer[0].numpy() > 0, expected > 0.5)


def test_certain_answers_stay_finite() -> None:
    logits = torch.full((2, 6, 7), -200.0)
    logits[1] = 200
    assert refined(logits, torch.zeros(6, 7, 3, dtype=torch.uint8), CRFSettings()).isfinite().all()


def test_grey_thrice_is_grey_once_with_a_narrower_sigma() -> None:
    grey = np.kron(np.random.default_rng(1).integers(0, 256, (5, 6, 1), np.uint8), np.ones((6, 6, 1), np.uint8))
    shares = np.random.default_rng(2).dirichlet((1, 1), grey.shape[:2]).transpose(2, 0, 1).astype(np.float32)
    once = DenseCRF(grey[..., 0])(shares, replace(SETTINGS, appearance_srgb=20 / math.sqrt(3)))
    thrice = DenseCRF(np.repeat(grey, 3, axis=2))(shares, SETTINGS)
    np.testing.assert_allclose(refined_probabilities(shares, np.repeat(grey, 3, axis=2), SETTINGS), once, atol=1e-6)
    assert np.abs(thrice - once).mean() < 0.03, "the lattices err differently, the kernels are one"


def test_of_many_channels_three_make_appearance() -> None:
    image, shares = picture(6), np.full((2, 30, 34), 0.5, np.float32)
    shares[0, ::3], shares[1, ::3] = 0.9, 0.1
    expected = DenseCRF(np.ascontiguousarray(image[..., :3]))(shares, SETTINGS)
    np.testing.assert_allclose(refined_probabilities(shares, image, SETTINGS), expected, atol=1e-6)


@pytest.mark.parametrize("fields", [{}, {"outputs": 1, "classes": 2}, {"views": Views((1.0, 0.5))}, {"channels": 5}])
def test_a_segmenter_answers_after_its_refinement(fields: dict) -> None:
    plain = pointwise(**fields)
    segmenter, image = replace(plain, refinement=REFINEMENT), picture(fields.get("channels", 3))
    expected = refined(torch.from_numpy(plain.predict(image).logits), torch.from_numpy(image), SETTINGS).numpy()
    result = segmenter.predict(image)
    np.testing.assert_allclose(result.logits, expected, atol=1e-5)
    before, both = segmenter.predict_both(image)
    np.testing.assert_array_equal(before, plain.predict(image).mask)
    np.testing.assert_array_equal(both.mask, result.mask)
    assert (before != result.mask).any()
    assert segmenter.protocol == f"{plain.protocol} {REFINEMENT.protocol}"


def test_without_one_there_is_nothing_to_compare() -> None:
    with pytest.raises(ArgumentError, match=r"no refinement; `intarsia refine RUN DATA --fit`"):
        pointwise().predict_both(picture())


def test_tiles_are_refined_before_they_are_joined() -> None:
    """Far from a cut the tile is enough: the masks differ from the whole image's in few places, and parts cover all."""
    image = np.kron(np.random.default_rng(3).integers(0, 256, (12, 12, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    noisy = np.clip(image.astype(int) + np.random.default_rng(4).integers(-20, 20, image.shape), 0, 255).astype(
        np.uint8
    )
    whole = pointwise(refinement=REFINEMENT).predict(noisy)
    tiled = pointwise(refinement=REFINEMENT, tile=64)
    before, result = tiled.predict_both(noisy)
    np.testing.assert_array_equal(result.mask, tiled.predict(noisy).mask)
    np.testing.assert_array_equal(before, pointwise().predict(noisy).mask)
    assert (result.mask != whole.mask).mean() < 0.01
    assert len(list(tiled.parts(noisy))) > 1


@pytest.mark.parametrize("classes", [2, 21, 150, 255])
def test_the_limits_count_what_a_refinement_needs(classes: int) -> None:
    plain, refining = (Limits(8, 0, classes, 1.0, None, refined) for refined in (False, True))
    side = next(side for side in range(64, 4096, 8) if refining.grid(side, side) is not None)
    assert side * side * (REFINED_MAPS * classes + REFINED_FLOATS) <= 1.1 * MAP_FLOATS
    assert plain.grid(side - 8, side - 8) is None
    tile = refining.grid(4096, 4096).tile  # pyright: ignore[reportOptionalMemberAccess]
    assert tile == TILE if classes == 21 else 256 < tile <= TILE


@pytest.fixture
def refined_run(disc_run: Path, tmp_path: Path) -> Path:
    run = copytree(disc_run, tmp_path / "refined")
    REFINEMENT.write(Run(run).refinement_path)
    return run


def test_a_run_is_loaded_with_its_refinement(refined_run: Path, discs: Path) -> None:
    assert load(refined_run).refinement == REFINEMENT
    assert load(refined_run, refine=False).refinement is None
    both = evaluate_both(load(refined_run), open_dataset(discs).split("val"))
    np.testing.assert_array_equal(both.after.matrix, evaluate(refined_run, discs).matrix)
    np.testing.assert_array_equal(both.before.matrix, evaluate(load(refined_run, refine=False), discs).matrix)
    assert (both.images, both.fitted) == (len(open_dataset(discs).split("val")), 0)
    assert "chosen the refinement" not in both.table()
    assert f"mean_iou                {both.before.mean_iou:.4f}  {both.after.mean_iou:.4f}" in both.table()
    with pytest.raises(DataError, match="There is nothing to evaluate"):
        evaluate_both(load(refined_run), [])


def test_a_refinement_of_other_classes_is_refused_with_its_file(refined_run: Path) -> None:
    path = Run(refined_run).refinement_path
    Refinement(CRFSettings(compatibility=((0, 1, 2), (1, 0, 1), (2, 1, 0)))).write(path)
    with pytest.raises(RunError) as error:
        load(refined_run)
    assert str(error.value) == (
        f"`{path}` has a `compatibility` of 3 classes, but the run has 2: mend it, or drop it by `intarsia refine "
        f"{refined_run} --remove`."
    )
    assert load(refined_run, refine=False).refinement is None
