"""What the dense CRF refuses, each in one sentence that says where and what to do instead."""

import numpy as np
import pytest

import intarsia
from intarsia.energies import CRFSettings, DenseCRF, FeatureKernel, dense_crf
from intarsia.errors import ArgumentError

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def halves(*shape, place=None, value=0.5):
    result = np.full(shape, 1 / shape[0] if shape[0] else 0)
    if place is not None:
        result[place] = value
    return result


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (
            np.ones((1, 4, 5)),
            r"hold 1 class, .*with the probability p of an object, pass both classes, np.stack\(\[1 - p",
        ),
        (
            np.ones((256, 2, 2)),
            r"\(of shape \(256, 2, 2\)\) hold 256 classes, and at most 255 are possible: classes come",
        ),
        (np.ones(7), r"have the shape \(7,\); they must be \(K, N\), \(K, H, W\) or \(K, D, H, W\)"),
        (np.ones((2, 0, 3)), r"have the shape \(2, 0, 3\); .* none of them 0"),
        (np.ones((2, 3, 3, 3, 3)), r"have the shape \(2, 3, 3, 3, 3\)"),
        (np.ones((2, 3, 3), np.uint8), "hold uint8; they must be floats that sum to one"),
        (halves(2, 4, 6, place=(1, 2, 3), value=np.nan), "are nan for class 1 at row 2, column 3; they must be finite"),
        (halves(2, 4, 6, place=(0, 3, 5), value=np.inf), "are inf for class 0 at row 3, column 5"),
        (
            halves(2, 4, 6, place=(0, 3, 5), value=-0.5),
            "are -0.5 for class 0 at row 3, column 5; .* not negative: pass the",
        ),
        (
            halves(2, 4, 6, place=(1, 0, 2), value=0.52),
            r"sum to 1\.02 at row 0, column 2; they must sum to 1 within 0\.01",
        ),
        (
            halves(2, 4, 6, place=(slice(None), 3, 1), value=0),
            "sum to 0 at row 3, column 1; .*where it is 0, give 1 / K each",
        ),
        (halves(2, 9, place=(1, 4), value=9.0), r"sum to 9\.5 at position 4; "),
        (halves(2, 3, 4, 5, place=(1, 2, 3, 4), value=9.0), r"sum to 9\.5 at position 2, 3, 4; "),
        (halves(2, 300, 400, place=(1, 299, 399), value=np.nan), "are nan for class 1 at row 299, column 399"),
    ],
)
def test_probabilities_that_are_none(probabilities, message):
    with pytest.raises(ArgumentError, match=f"`probabilities` {message}"):
        dense_crf(probabilities)


@pytest.mark.parametrize("error", [0.0, 0.009, -0.009])
def test_sums_may_be_off_by_a_hundredth(error):
    exact = np.random.default_rng(0).dirichlet([1, 1], (4, 6)).transpose(2, 0, 1)
    np.testing.assert_allclose(dense_crf(exact * (1 + error)), dense_crf(exact), atol=1e-5)


@pytest.mark.parametrize(
    ("image", "size", "message"),
    [
        (
            np.zeros((4, 6), np.uint8),
            (5, 6),
            r"`image` \(of shape \(4, 6\)\) must be \(5, 6\) or \(5, 6, C\); resize it",
        ),
        (
            np.zeros((3, 5, 6), np.uint8),
            (5, 6),
            r"`image` \(of shape \(3, 5, 6\)\) must be \(5, 6\) or .* or move its axes",
        ),
        (np.zeros((5, 6, 3, 1), np.uint8), (5, 6), r"`image` \(of shape \(5, 6, 3, 1\)\)"),
        (np.where(np.eye(5, 6) > 0, np.nan, 1.0), (5, 6), "`image` is nan at row 0, column 0"),
        (np.where(np.arange(9) == 4, np.inf, 1.0), (9,), "`image` is not finite at position 4;"),
        (
            np.where(np.arange(24).reshape(2, 3, 4) == 7, np.nan, 1.0),
            (2, 3, 4),
            "`image` is not finite at position 0, 1, 3",
        ),
        (np.zeros((5, 6), complex), (5, 6), "`image` holds complex128"),
        (
            np.where(np.eye(5, 6) > 0, 1.7e308, -1.7e308),
            (5, 6),
            r"`image` goes from -1.7e\+308 to 1.7e\+308, which float64 cannot divide into 255 levels: scale it",
        ),
        (np.where(np.eye(5, 6) > 0, 5e-324, 0), (5, 6), "`image` goes from 0 to 4.9.*e-324, which float64 cannot"),
    ],
)
def test_images_that_are_none(image, size, message):
    with pytest.raises(ArgumentError, match=f"{message}|beside an `image` .*: resize one of them"):
        dense_crf(halves(2, *size), image)
    with pytest.raises(ArgumentError, match=message):
        DenseCRF(size=size).next_image(image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": -1}, r"`iterations` \(=-1\) must be a whole number from 0 on; 10 are usual"),
        ({"iterations": 2.5}, r"`iterations` \(=2.5\) must be a whole number"),
        (
            {"smoothness_weight": -1.0},
            r"`smoothness_weight` \(=-1.0\) must be from 0 to 1e\+06; 3 is usual, 0 leaves",
        ),
        ({"appearance_weight": np.nan}, r"`appearance_weight` \(=nan\) must be from 0 to 1e\+06; 10 is usual"),
        ({"smoothness_weight": 1e39}, r"`smoothness_weight` \(=1e\+39\) must be from 0 to 1e\+06"),
        ({"smoothness_sxy": 1e-200}, r"`smoothness_sxy` \(=1e-200\) must be from 0.001 to 1e\+300"),
        ({"appearance_srgb": 1e-40}, r"`appearance_srgb` \(=1e-40\) must be from 0.001 to 1e\+300"),
        (
            {"compatibility": [[0.0, 1e39], [1.0, 0.0]]},
            r"`compatibility` is 1e\+39 for class 0 beside class 1; penalties must be from -1e\+06 to 1e\+06",
        ),
        (
            {"smoothness_sxy": 0.0},
            r"`smoothness_sxy` \(=0.0\) must be from 0.001 to 1e\+300; 3 is usual, and a weight of 0",
        ),
        ({"appearance_sxy": np.inf}, r"`appearance_sxy` \(=inf\) must be from 0.001 to 1e\+300; 80"),
        ({"appearance_srgb": -3.0}, r"`appearance_srgb` \(=-3.0\) must be from 0.001 to 1e\+300; 13"),
        ({"normalisation": "both"}, r"`normalisation` \(='both'\) must be 'symmetric', 'before', 'after' or 'none'"),
        (
            {"compatibility": [[0.0, 1.0]]},
            r"`compatibility` \(with rows of \[2\]\) must be square: 1 penalties in each of the 1",
        ),
        ({"compatibility": np.eye(3)}, "`compatibility` has 3 rows for 2 classes; pass one penalty for each pair"),
        (
            {"compatibility": [[0.0, 1.0], [np.inf, 0.0]]},
            "`compatibility` is inf for class 1 beside class 0; .* 100 forbids",
        ),
        ({"n_threads": 0}, r"`n_threads` \(=0\) must be at least 1"),
        (
            {"kernels": [FeatureKernel(np.zeros((4, 5, 1)), 1.0)]},
            r"of a kernel \(of shape \(4, 5, 1\)\) must be \(4, 6, d\)",
        ),
    ],
)
def test_parameters_that_break_a_rule(options, message):
    with pytest.raises(ArgumentError, match=message):
        dense_crf(halves(2, 4, 6), np.zeros((4, 6), np.uint8), **options)


@pytest.mark.parametrize("extreme", ["least", "most"])
@pytest.mark.parametrize("way", ["symmetric", "none"])  # kernels for images, and general ones
def test_extremes_are_finite(extreme, way):
    least = extreme == "least"
    sigmas = dict.fromkeys(["smoothness_sxy", "appearance_sxy", "appearance_srgb"], 1e-3 if least else 1e300)
    if least:
        sigmas["appearance_srgb"] = 0.01  # below it the general lattice refuses features as too large
    weights = dict.fromkeys(["smoothness_weight", "appearance_weight"], 1e6)
    image = np.random.default_rng(0).random((9, 10, 3)) * (1e-300 if least else 1e308)
    found = dense_crf(
        halves(3, 9, 10), image, compatibility=1e6 - 1e6 * np.eye(3), normalisation=way, **sigmas, **weights
    )
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("features", "weight", "message"),
    [
        (np.zeros((4, 5, 1)), -1.0, r"`weight` \(=-1.0\) of a kernel must be from 0 to 1e\+06"),
        (np.zeros((4, 5, 1)), 1e39, r"`weight` \(=1e\+39\) of a kernel must be from 0 to"),
        (
            np.zeros(5),
            1.0,
            r"`features` \(of shape \(5,\)\) must be \(\*size, d\), d numbers for each position; add an axis",
        ),
        (np.zeros((5, 0)), 1.0, r"`features` \(of shape \(5, 0\)\) must be"),
    ],
)
def test_kernels_that_are_none(features, weight, message):
    with pytest.raises(ArgumentError, match=message):
        FeatureKernel(features, weight)


@pytest.mark.parametrize("size", [(4, 0), (0, 4), (-4, 6), 5, (), (4.0, 6), (1, 2, 3, 4), "46", (4, None)])
def test_sizes_that_are_none(size):
    with pytest.raises(
        ArgumentError, match=r"`size` \(=.*\) must be one, two or three whole numbers from 1 on, such as"
    ):
        DenseCRF(size=size)


@pytest.mark.parametrize("shape", [(), (0, 4), (4, 0, 3), (4, 6, 0)])
def test_images_without_pixels(shape):
    with pytest.raises(ArgumentError, match=r"`image` has the shape \(.*\); it must be \(H, W\) or"):
        DenseCRF(np.zeros(shape))


@pytest.mark.parametrize("size", [[4, 6], (np.int64(4), 6), np.array([4, 6])])
def test_sizes_of_any_whole_numbers(size):
    assert DenseCRF(size=size).size == (4, 6)


@pytest.mark.parametrize("tolerance", [-1.0, np.nan, np.inf])
def test_tolerances_that_are_none(tolerance):
    with pytest.raises(ArgumentError, match=r"`tolerance` \(=.*\) must be finite and not negative; 1e-4 is usual"):
        DenseCRF(size=(4, 6))(halves(2, 4, 6), tolerance=tolerance)


def test_an_object_needs_its_grid_and_keeps_it():
    with pytest.raises(ArgumentError, match="Neither `image` nor `size` is given; pass the image, or"):
        DenseCRF()
    crf = DenseCRF(np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(
        ArgumentError, match=r"`probabilities` \(of shape \(2, 6, 4\)\) must be \(K, 4, 6\), the grid of this CRF"
    ):
        crf(halves(2, 6, 4))


def test_settings_can_be_compared_and_kept():
    assert CRFSettings() == CRFSettings(iterations=10)
    assert hash(CRFSettings(compatibility=((0.0, 1.0), (1.0, 0.0)))) != hash(CRFSettings())
    assert intarsia.dense_crf is dense_crf


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"probabilities": [[0.5], [0.5]]}, "are a list and must be a NumPy array"),
        ({"compatibility": 10}, r"`compatibility` \(=10\) must be K rows of K penalties: a number belongs into the"),
        ({"compatibility": np.array([1.0, 2.0])}, r"a vector v is np.diag\(v\)"),
        ({"appearance_sxy": (80, 40)}, r"`appearance_sxy` \(=\(80, 40\)\) must be one number; σs that differ"),
        ({"kernels": FeatureKernel(np.zeros((4, 6, 1)), 1.0)}, r"put it into a list, \[kernel\]"),
        ({"kernels": [FeatureKernel(np.zeros((1, 24)), 1.0)]}, r"are features.T.reshape\(H, W, d\)"),
        ({"probabilities": np.full((4, 6, 2), 0.5)}, r"classes come first: np.moveaxis\(probabilities, -1, 0\)"),
        ({"probabilities": np.full((4, 6), 0.5)}, r"pass both classes, np.stack\(\[1 - p, p\]\)"),
        ({"probabilities": np.full((2, 24), 0.5)}, r"rows and columns again: probabilities.reshape\(2, 4, 6\)"),
        ({"probabilities": np.full((2, 8, 12), 0.5)}, "resize one of them"),
    ],
)
def test_habits_of_other_packages_are_answered(arguments, sentence):
    given = {"probabilities": np.full((2, 4, 6), 0.5), "image": np.zeros((4, 6, 3), np.uint8)} | arguments
    with pytest.raises(ArgumentError, match=sentence):
        dense_crf(**given)


def test_settings_are_settings_and_can_be_compared() -> None:
    with pytest.raises(ArgumentError, match=r"`settings` \(=\{'iterations': 3\}\) must be a `CRFSettings`"):
        DenseCRF(size=(4, 6))(np.full((2, 4, 6), 0.5), {"iterations": 3})
    matrix = 1 - np.eye(3)
    assert CRFSettings(compatibility=matrix) == CRFSettings(compatibility=tuple(map(tuple, matrix.tolist())))
    assert len({CRFSettings(compatibility=matrix), CRFSettings(compatibility=matrix)}) == 1
