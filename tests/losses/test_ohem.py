"""Online hard example mining against a twin that goes from pixel to pixel."""

import math

import pytest
import torch
from torch import Tensor

from intarsia.errors import ArgumentError
from intarsia.losses import cross_entropy, ohem_cross_entropy

IGNORED = 255


def twin(logits: Tensor, target: Tensor, threshold: float, min_kept: int | None) -> float:
    """Probabilities of the true class, sorted; the hard ones, or as many as must be kept."""
    probabilities: list[float] = []
    for image, mask in zip(logits, target, strict=True):
        for row in range(mask.shape[0]):
            for column in range(mask.shape[1]):
                label, scores = int(mask[row, column]), image[:, row, column].tolist()
                if label == IGNORED:
                    continue
                if len(scores) == 1:
                    scores = [0.0, scores[0]]
                largest = max(scores)
                exponentials = [math.exp(score - largest) for score in scores]
                probabilities.append(exponentials[label] / sum(exponentials))
    probabilities.sort()
    least = len(probabilities) // 16 if min_kept is None else min_kept
    hard = [p for p in probabilities if p < threshold]
    if len(hard) < least:
        hard = probabilities[:least]
    return sum(-math.log(p) for p in hard) / max(len(hard), 1)


CASES = [(0.7, None), (0.7, 0), (0.05, None), (0.05, 30), (1e-9, 0), (1.0, None), (0.7, 10_000)]


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize(("threshold", "min_kept"), CASES)
def test_it_is_its_twin(classes: int, threshold: float, min_kept: int | None) -> None:
    draw = torch.Generator().manual_seed(classes)
    logits = 2 * torch.randn(2, classes, 7, 9, generator=draw, dtype=torch.float64)
    target = torch.randint(0, max(2, classes), (2, 7, 9), generator=draw)
    target[0, :2] = IGNORED
    loss = ohem_cross_entropy(logits, target, threshold=threshold, min_kept=min_kept)
    assert loss.item() == pytest.approx(twin(logits, target, threshold, min_kept), rel=1e-12)


def test_at_a_threshold_of_one_it_is_cross_entropy() -> None:
    logits, target = torch.randn(2, 3, 6, 5), torch.randint(0, 3, (2, 6, 5))
    target[1, 3] = IGNORED
    torch.testing.assert_close(ohem_cross_entropy(logits, target, threshold=1.0), cross_entropy(logits, target))


def test_only_hard_pixels_learn() -> None:
    logits = torch.zeros(1, 2, 1, 3)
    logits[0, 0] = torch.tensor([6.0, 0.0, -6.0])  # sure and right, undecided, sure and wrong
    logits.requires_grad_()
    ohem_cross_entropy(logits, torch.zeros(1, 1, 3, dtype=torch.long)).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0, 0] != 0).tolist() == [False, True, True]


def test_nothing_valid_gives_zero_with_a_gradient() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = ohem_cross_entropy(logits, torch.full((1, 2, 2), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


REFUSED = [
    ({"threshold": 0.0}, r"`threshold` \(=0.0\) is a probability and must lie in \(0, 1\]; 0.7 is usual"),
    ({"threshold": 1.5}, r"`threshold` \(=1.5\) is a probability"),
    ({"min_kept": -1}, r"`min_kept` \(=-1\) must be a number of pixels from 0 on"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_refusals(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        ohem_cross_entropy(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long), **arguments)
