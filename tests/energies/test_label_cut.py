"""Labels of least energy from probabilities: against all labelings of tiny pictures, and what is refused."""

from itertools import product

import numpy as np
import pytest

from intarsia.energies.label_cut import label_cut
from intarsia.errors import ArgumentError


def energy(labels: np.ndarray, shares: np.ndarray, image: np.ndarray, gamma: float) -> float:
    """As it is written in the docstring, pair by pair, with 8 neighbours."""
    height, width = labels.shape
    steps = [(0, 1), (1, 0), (1, 1), (1, -1)]
    pairs = [
        ((y, x), (y + dy, x + dx), np.hypot(dy, dx))
        for y in range(height)
        for x in range(width)
        for dy, dx in steps
        if y + dy < height and 0 <= x + dx < width
    ]
    values = image.astype(float).reshape(height, width, -1)
    squares = {pair[:2]: ((values[pair[0]] - values[pair[1]]) ** 2).sum() for pair in pairs}
    beta = 1 / (2 * np.mean(list(squares.values())))
    total = -np.log(np.take_along_axis(shares, labels[None], 0)).sum()
    for p, q, distance in pairs:
        total += (labels[p] != labels[q]) * gamma / distance * np.exp(-beta * squares[p, q])
    return total


@pytest.mark.parametrize("gamma", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_no_labeling_costs_less(classes: int, gamma: float) -> None:
    generator = np.random.default_rng(classes)
    size = (3, 3) if classes == 2 else (2, 3)
    shares = generator.dirichlet(np.ones(classes), size).transpose(2, 0, 1).clip(0.01)
    shares /= shares.sum(axis=0)
    image = generator.integers(0, 256, (*size, 3), np.uint8)
    found = label_cut(shares, image, gamma=gamma)
    everything = (np.reshape(labels, size) for labels in product(range(classes), repeat=size[0] * size[1]))
    least = min(energy(labels, shares, image, gamma) for labels in everything)
    bound = 1.0 if classes == 2 else 1.02  # expansion moves are exact for two classes only, and near it here
    assert energy(found, shares, image, gamma) <= bound * least + 1e-3


def test_noise_goes_and_edges_stay() -> None:
    truth = np.repeat([[0, 1, 2]], 8, axis=1).repeat(16, axis=0)
    image = (truth * 100).astype(np.uint8)
    said = np.where(np.random.default_rng(0).random(truth.shape) < 0.2, (truth + 1) % 3, truth)
    shares = np.where(said == np.arange(3)[:, None, None], 0.8, 0.1)
    assert (said != truth).sum() > 40
    np.testing.assert_array_equal(label_cut(shares, image), truth)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"probabilities": np.ones((1, 4, 5))},
            r"`probabilities` \(of shape \(1, 4, 5\)\) must be \(K, H, W\) with K from 2",
        ),
        ({"probabilities": np.ones((2, 5, 4))}, "for an image of shape"),
        ({"probabilities": np.full((2, 4, 5), np.nan)}, "are nan for class 0 at row 0, column 0; they must be finite"),
        ({"probabilities": np.full((2, 4, 5), -0.1)}, "are -0.1 for class 0 at row 0, column 0; they must be finite"),
        ({"probabilities": np.full((2, 4, 5), 0.45)}, "sum to 0.9 at row 0, column 0; they must sum to 1 within 0.01"),
        ({"gamma": 0}, r"`gamma` \(=0\) must be above 0 and at most 1000"),
        ({"connectivity": 6}, r"`connectivity` \(=6\) must be 4 or 8"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_what_is_refused(change: dict, complaint: str) -> None:
    given = {"probabilities": np.full((2, 4, 5), 0.5), "image": np.zeros((4, 5), np.uint8)} | change
    with pytest.raises(ArgumentError, match=complaint):
        label_cut(**given)
