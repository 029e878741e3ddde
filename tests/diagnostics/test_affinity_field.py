"""Affinity fields: rows against whole matrices and formulas, and the laws of each source."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.affinity.spatial_propagation import DIRECTIONS, Normalisation
from intarsia.diagnostics import AffinityField
from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError

ROWS, COLUMNS = 5, 6
RANDOM = torch.Generator().manual_seed(0)
GATES = torch.randn(4, 3, 2, ROWS, COLUMNS, generator=RANDOM, dtype=torch.float64) / 2
GUIDANCE = {n: torch.randn(n, ROWS, COLUMNS, generator=RANDOM, dtype=torch.float64) for n in (8, 24, 48)}
IMPULSES = torch.eye(ROWS * COLUMNS, dtype=torch.float64).view(-1, 1, ROWS, COLUMNS)  # one a batch entry
PIXELS = list(product(range(COLUMNS), range(ROWS)))
PICTURE = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)


def matrix_of(operator: Callable[[Tensor], Tensor]) -> np.ndarray:
    """(H, W, H, W): what every impulse makes of every pixel; the pixel that receives comes first."""
    answers = operator(IMPULSES).mean(1)
    return answers.flatten(1).T.reshape(ROWS, COLUMNS, ROWS, COLUMNS).numpy()


def spn_matrix(gates: Tensor, normalisation: Normalisation | None) -> np.ndarray:
    def propagate(maps: Tensor) -> Tensor:
        parts = zip(DIRECTIONS, gates.expand(len(maps), *gates.shape).unbind(1), strict=True)
        wide = maps.expand(-1, gates.shape[2], -1, -1)
        return torch.stack([spatial_propagation(wide, part, way, normalisation) for way, part in parts]).mean(0)

    return matrix_of(propagate)


@pytest.mark.parametrize("normalisation", ["where_needed", "always", None])
@pytest.mark.parametrize("ways", [3, 1])
def test_rows_of_a_spatial_propagation_are_those_of_its_matrix(ways: int, normalisation: Normalisation | None) -> None:
    gates = GATES if ways == 3 else GATES[:, 1:2]
    field, whole = AffinityField.of_spn(gates, normalisation), spn_matrix(gates, normalisation)
    for x, y in PIXELS[::2]:
        row = field.of_pixel(x, y)
        np.testing.assert_allclose(row, whole[y, x], atol=1e-12)
        assert row.sum() == pytest.approx(1)  # constants stay


@pytest.mark.parametrize("n", GUIDANCE)
@pytest.mark.parametrize(
    "options",
    [{}, {"norm": "8sum_abs"}, {"centre": "current"}, {"layout": "centred", "norm": "8sum_abs"}],
    ids=str,
)
def test_rows_of_a_convolutional_propagation_are_those_of_its_matrix(n: int, options: dict[str, Any]) -> None:
    kernel, guidance = round((n + 1) ** 0.5), GUIDANCE[n]
    field = AffinityField.of_cspn(guidance, 4, **options)
    whole = matrix_of(
        lambda maps: convolutional_propagation(maps, guidance.expand(len(maps), -1, -1, -1), 4, kernel, **options)
    )
    for x, y in PIXELS[::3]:
        row = field.of_pixel(x, y)
        np.testing.assert_allclose(row, whole[y, x], atol=1e-12)
        assert row.sum() == pytest.approx(1)


def test_strength_is_the_part_that_is_propagated() -> None:
    strength = torch.rand(ROWS, COLUMNS, generator=RANDOM)
    whole, part = AffinityField.of_cspn(GUIDANCE[8].abs()), AffinityField.of_cspn(GUIDANCE[8].abs(), strength=strength)
    own = np.zeros((ROWS, COLUMNS))
    own[1, 4] = 1
    expected = float(strength[1, 4]) * whole.of_pixel(4, 1) + (1 - float(strength[1, 4])) * own
    np.testing.assert_allclose(part.of_pixel(4, 1), expected, atol=1e-12)
    np.testing.assert_allclose(1 - part.edges(), strength.numpy() * (1 - whole.edges()), atol=1e-7)


def test_one_step_of_convolutional_propagation_shows_its_weights() -> None:
    """Of sizes, at the pixel itself: the guidance divided by its sum, in reading order, nothing in the middle."""
    sizes = GUIDANCE[8].abs()
    row = AffinityField.of_cspn(sizes, 1, layout="centred").of_pixel(x=3, y=2)
    around = np.insert((sizes[:, 2, 3] / sizes[:, 2, 3].sum()).numpy(), 4, 0.0).reshape(3, 3)
    expected = np.zeros((ROWS, COLUMNS))
    expected[1:4, 2:5] = around
    np.testing.assert_allclose(row, expected, atol=1e-15)


@pytest.mark.parametrize(
    "field", [AffinityField.of_spn(0 * GATES), AffinityField.of_cspn(0 * GUIDANCE[8])], ids=["spn", "cspn"]
)
def test_without_gates_a_pixel_has_only_itself(field: AffinityField) -> None:
    row = field.of_pixel(2, 3)
    assert row[3, 2] == row.sum() == np.abs(row).sum() == 1
    assert (field.edges() == 1).all()


def test_a_gate_of_one_has_no_edge_and_carries_the_first_line() -> None:
    copying = torch.zeros(4, 3, 1, ROWS, COLUMNS)
    copying[:, 1] = 1
    field = AffinityField.of_spn(copying)
    assert (field.edges() == 0).all()
    row = field.of_pixel(x=2, y=3)
    assert row[3, 0] == row[3, -1] == row[0, 2] == row[-1, 2] == 0.25
    assert row.sum() == 1


def test_edges_of_a_spatial_propagation_are_what_pixels_keep() -> None:
    """A column that takes nothing from its neighbours, in a field that takes 0.3 + 0.3 + 0.3."""
    gates = torch.full((4, 3, 1, ROWS, COLUMNS), 0.3)
    gates[..., 2] = 0
    edges = AffinityField.of_spn(gates).edges()
    np.testing.assert_allclose(edges[:, 2], 1)
    np.testing.assert_allclose(np.delete(edges, 2, axis=1), 0.1, atol=1e-6)
    np.testing.assert_allclose(AffinityField.of_spn(gates, "always").edges()[:, [0, 1, 3]], 0, atol=1e-6)


def test_edges_of_a_convolutional_propagation_are_what_even_shares_lack() -> None:
    """All guidance alike: none, also at the image's border. All from one neighbour: seven shares of eight."""
    for n, guidance in GUIDANCE.items():
        np.testing.assert_allclose(
            AffinityField.of_cspn(torch.ones_like(guidance), layout="centred").edges(), 0, atol=1e-12
        )
        one = torch.zeros_like(guidance)
        one[n // 2] = 1  # the neighbour on the right
        edges = AffinityField.of_cspn(one, layout="centred").edges()
        if n == 8:
            np.testing.assert_allclose(edges[1:-1, 1:-1], 7 / 8)
            np.testing.assert_allclose(edges[:, -1], 1)  # there is none


def brute_crf(settings: CRFSettings, a: tuple[int, int], b: tuple[int, int]) -> float:
    places = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    colours = sum((float(p) - float(q)) ** 2 for p, q in zip(PICTURE[a], PICTURE[b], strict=True))
    smooth = settings.smoothness_weight * np.exp(-places / (2 * settings.smoothness_sxy**2))
    apart = places / (2 * settings.appearance_sxy**2) + colours / (2 * settings.appearance_srgb**2)
    whole = settings.smoothness_weight + settings.appearance_weight
    return float(smooth + settings.appearance_weight * np.exp(-apart)) / whole


def brute_probabilities(shares: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> float:
    """Of the class that differs most, Kullback and Leibler's divergence of two coins, the other's from the chosen."""
    worst = 0.0
    for chosen, other in zip(shares[:, *a], shares[:, *b], strict=True):
        sides = ((max(1e-4, q), max(1e-4, p)) for q, p in ((other, chosen), (1 - other, 1 - chosen)))
        worst = max(worst, sum(q * np.log(q / p) for q, p in sides))
    return float(np.exp(-worst))


def brute_cosine(vectors: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> float:
    u, v = vectors[:, *a], vectors[:, *b]
    return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))


SETTINGS = CRFSettings(smoothness_weight=2, smoothness_sxy=1.5, appearance_sxy=4, appearance_srgb=60)
SHARES = np.random.default_rng(1).dirichlet(np.ones(3) / 2, (ROWS, COLUMNS)).transpose(2, 0, 1)
VECTORS = np.random.default_rng(2).normal(size=(4, ROWS, COLUMNS))
PAIRWISE = [
    (AffinityField.of_crf(PICTURE, SETTINGS), lambda a, b: brute_crf(SETTINGS, a, b)),
    (AffinityField.of_probabilities(SHARES), lambda a, b: brute_probabilities(SHARES, a, b)),
    (AffinityField.of_features(VECTORS), lambda a, b: brute_cosine(VECTORS, a, b)),
]


@pytest.mark.parametrize(("field", "formula"), PAIRWISE, ids=["crf", "probabilities", "features"])
def test_likeness_is_its_formula_pair_by_pair(field: AffinityField, formula: Callable[..., float]) -> None:
    whole = np.empty((ROWS, COLUMNS, ROWS, COLUMNS))
    for a, b in product(np.ndindex(ROWS, COLUMNS), repeat=2):
        whole[*a, *b] = formula(a, b)
    for x, y in PIXELS[::2]:
        np.testing.assert_allclose(field.of_pixel(x, y), whole[y, x], atol=1e-12)
        assert field.of_pixel(x, y)[y, x] == pytest.approx(1)
    edges = field.edges()
    for y, x in ((0, 0), (2, 3), (4, 2)):
        beside = [
            max(0.0, whole[y, x, y + i, x + j])
            for i, j in product((-1, 0, 1), repeat=2)
            if (i, j) != (0, 0) and 0 <= y + i < ROWS and 0 <= x + j < COLUMNS
        ]
        assert edges[y, x] == pytest.approx(1 - np.mean(beside))


@pytest.mark.parametrize(
    "field",
    [
        AffinityField.of_features(np.full((3, 4, 5), -2.0)),
        AffinityField.of_probabilities(np.full((3, 4, 5), 1 / 3)),
        AffinityField.of_crf(np.full((4, 5), 7, np.uint8), CRFSettings(appearance_sxy=1e9, smoothness_sxy=1e9)),
    ],
    ids=["features", "probabilities", "crf"],
)
def test_pixels_that_are_all_alike(field: AffinityField) -> None:
    np.testing.assert_allclose(field.of_pixel(1, 2), 1)
    np.testing.assert_allclose(field.edges(), 0, atol=1e-12)


def test_features_of_zero_are_like_nothing() -> None:
    vectors = np.ones((2, 1, 3))
    vectors[:, 0, 2] = 0
    assert AffinityField.of_features(vectors).of_pixel(2, 0).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_the_reach_of_edges_is_that_of_the_loss(reach: Literal[1, 2, 3]) -> None:
    """Two certain halves: pixels see the border as far away as the neighbours lie."""
    shares = np.zeros((2, 9, 12))
    shares[0, :, :6] = shares[1, :, 6:] = 1
    seen = (AffinityField.of_probabilities(shares, reach).edges() > 0.1).all(axis=0)
    assert seen.tolist() == [6 - reach <= x < 6 + reach for x in range(12)]


def test_pixels_that_ask_for_no_more_are_at_the_margin() -> None:
    """exp(-3) = 0.05: two classes at KL 3."""
    p = 0.9
    q = next(q for q in np.linspace(0.89, 1e-3, 20000) if p * np.log(p / q) + 0.1 * np.log(0.1 / (1 - q)) >= 3)
    row = AffinityField.of_probabilities(np.array([[[q, p]], [[1 - q, 1 - p]]])).of_pixel(0, 0)
    assert row[0, 1] == pytest.approx(np.exp(-3), rel=1e-3)


def test_a_single_pixel_has_no_edge() -> None:
    for field in (
        AffinityField.of_spn(torch.ones(4, 3, 1, 1, 1)),
        AffinityField.of_cspn(torch.ones(8, 1, 1)),
        AffinityField.of_features(np.ones((1, 1, 1))),
    ):
        assert field.edges().tolist() == [[0]]
        assert field.of_pixel(0, 0).tolist() == [[1]]


MISTAKES = [
    (
        lambda: AffinityField.of_features(VECTORS).of_pixel(6, 0),
        "The pixel 6,0 lies outside the field, which has 6 columns (x) and 5 rows (y)",
    ),
    (lambda: AffinityField.of_features(VECTORS).of_pixel(0, -1), "The pixel 0,-1 lies outside"),
    (lambda: AffinityField.of_spn(GATES[:3]), "`gates` (3, 3, 2, 5, 6) must be (4, 3 or 1, C, H, W), four"),
    (lambda: AffinityField.of_spn(GATES[:, :2]), "`gates` (4, 2, 2, 5, 6) must be (4, 3 or 1, C, H, W), four"),
    (lambda: AffinityField.of_cspn(GUIDANCE[24][:10]), "`guidance` has 10 channels and must have 8, one for each"),
    (lambda: AffinityField.of_cspn(GUIDANCE[8], 0), "`steps` (=0) must be 1 or more"),
    (
        lambda: AffinityField.of_crf(PICTURE, CRFSettings(smoothness_weight=0, appearance_weight=0)),
        "`smoothness_weight` and `appearance_weight` are both 0, which ties nothing; raise one.",
    ),
]


@pytest.mark.parametrize(("wrong", "sentence"), MISTAKES, ids=[sentence[:30] for _, sentence in MISTAKES])
def test_mistakes_get_one_sentence(wrong: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        wrong()
