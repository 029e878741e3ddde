"""The border weight map against its formula, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from intarsia.losses import border_weighted_cross_entropy, border_weights, cross_entropy


def by_the_formula(mask: np.ndarray, weight: float, sigma: float) -> np.ndarray:
    """Every background pixel, every thing, every pixel of it."""
    things = []
    for name in set(mask.flat) - {0, 255}:
        labels, count = ndimage.label(mask == name, np.ones((3, 3)))
        things += [np.argwhere(labels == number) for number in range(1, count + 1)]
    result = np.zeros(mask.shape)
    for pixel in np.argwhere(mask == 0):
        distances = sorted(min(math.dist(pixel, other) for other in thing) for thing in things)
        if len(distances) > 1:
            result[tuple(pixel)] = weight * math.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return result


def scattered(seed: int, side: int = 24) -> np.ndarray:
    """A few things of two classes, some pixels ignored."""
    draw = np.random.default_rng(seed)
    mask = (draw.random((side, side + 7)) < 0.02) * draw.integers(1, 3, (side, side + 7))
    mask = ndimage.grey_dilation(mask, size=(3, 3))
    mask[draw.random(mask.shape) < 0.05] = 255
    return mask


@pytest.mark.parametrize(("seed", "weight", "sigma"), [(0, 10.0, 5.0), (1, 10.0, 5.0), (2, 3.0, 2.0), (3, 10.0, 1.0)])
def test_the_weights_are_the_formulas(seed: int, weight: float, sigma: float) -> None:
    mask = scattered(seed)
    found = border_weights(mask, weight=weight, sigma=sigma)
    np.testing.assert_allclose(found, by_the_formula(mask, weight, sigma), rtol=1e-9, atol=2e-6 * weight)
    assert found.max() > 0.01


@pytest.mark.parametrize("things", [0, 1])
def test_without_two_things_nothing_weighs_more(things: int) -> None:
    mask = np.zeros((9, 9), np.int64)
    mask[2 : 2 + 3 * things, 2:5] = 1
    assert not border_weights(mask).any()


@pytest.mark.parametrize("classes", [1, 3])
def test_the_loss_is_the_weighted_mean_over_valid_pixels(classes: int) -> None:
    torch.manual_seed(0)
    masks = np.stack([scattered(seed) for seed in (4, 5)])
    target = torch.from_numpy(np.where(masks == 255, 255, np.minimum(masks, max(1, classes - 1))))
    logits = torch.randn(2, classes, *target.shape[1:], dtype=torch.float64)
    total = 0.0
    for image, mask in zip(logits, target, strict=True):
        weights = 1 + by_the_formula(mask.numpy(), 10.0, 5.0)
        for row, column in np.argwhere(mask.numpy() != 255):
            pixel = image[None, :, row : row + 1, column : column + 1]
            total += weights[row, column] * cross_entropy(pixel, mask[None, row : row + 1, column : column + 1]).item()
    found = border_weighted_cross_entropy(logits, target)
    assert found.item() == pytest.approx(total / int((target != 255).sum()), rel=1e-5)


def test_halves_of_a_batch_make_the_whole() -> None:
    target = torch.from_numpy(np.stack([scattered(seed) for seed in (6, 7)]))
    target[0, 5:] = 255
    logits = torch.randn(2, 3, *target.shape[1:])
    parts = [border_weighted_cross_entropy(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
    valid = (target != 255).sum((1, 2))
    together = (torch.stack(parts) * valid).sum() / valid.sum()
    torch.testing.assert_close(border_weighted_cross_entropy(logits, target), together)


def test_a_batch_without_a_valid_pixel_costs_nothing() -> None:
    assert border_weighted_cross_entropy(torch.randn(1, 3, 4, 4), torch.full((1, 4, 4), 255)) == 0
