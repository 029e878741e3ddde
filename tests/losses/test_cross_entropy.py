"""Cross-entropy against a loop over pixels."""

import math

import pytest
import torch

from intarsia.losses import cross_entropy


def by_hand(logits: torch.Tensor, target: torch.Tensor, ignore: int) -> float:
    losses = []
    for b, h, w in torch.cartesian_prod(*(torch.arange(n) for n in target.shape)).tolist():
        wanted = int(target[b, h, w])
        if wanted == ignore:
            continue
        scores = logits[b, :, h, w].tolist()
        if len(scores) == 1:
            losses.append(math.log1p(math.exp(-scores[0] if wanted else scores[0])))
        else:
            losses.append(math.log(sum(map(math.exp, scores))) - scores[wanted])
    return sum(losses) / max(1, len(losses))


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("ignore", [255, 65535])
def test_equals_the_loop(classes: int, ignore: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(2, classes, 3, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, max(2, classes), (2, 3, 4), generator=generator)
    target[0, :2] = ignore
    assert math.isclose(cross_entropy(logits, target, ignore).item(), by_hand(logits, target, ignore), rel_tol=1e-12)


@pytest.mark.parametrize("classes", [1, 3])
def test_nothing_valid_is_zero_with_a_zero_gradient(classes: int) -> None:
    logits = torch.randn(1, classes, 2, 2, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 2, 2), 255))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_pixels_without_weight_are_zero_with_a_zero_gradient_however_smooth_their_labels() -> None:
    """A smooth label wants a little of classes that do weigh; the denominator, of true classes only, is 0."""
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    loss = cross_entropy(logits, target, class_weights=torch.tensor([0.0, 1.0]), label_smoothing=0.1)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
