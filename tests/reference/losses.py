"""Losses of pixels in plain loops over float64 numbers, each written from its paper and from nothing of the package."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

Weights = Sequence[float] | None


def pixels(logits: np.ndarray, target: np.ndarray, ignore: int) -> Iterator[tuple[list[float], int]]:
    """The probabilities and the true class of each valid pixel; a single logit is a sigmoid of the second class."""
    for b, h, w in itertools.product(*map(range, target.shape)):
        if target[b, h, w] == ignore:
            continue
        scores = logits[b, :, h, w].tolist()
        if len(scores) == 1:
            p = 1 / (1 + math.exp(-scores[0]))
            yield [1 - p, p], int(target[b, h, w])
        else:
            total = sum(map(math.exp, scores))
            yield [math.exp(score) / total for score in scores], int(target[b, h, w])


def weight(weights: Weights, label: int) -> float:
    return 1.0 if weights is None else weights[label]


def cross_entropy(
    logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None, smoothing: float = 0.0
) -> float:
    total = divisor = 0.0
    for p, label in pixels(logits, target, ignore):
        wanted = [smoothing / len(p) + (1 - smoothing) * (c == label) for c in range(len(p))]
        total -= sum(weight(weights, c) * wanted[c] * math.log(p[c]) for c in range(len(p)))
        divisor += weight(weights, label)
    return total / divisor if divisor else 0.0


def focal(logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None, gamma: float = 2.0) -> float:
    total = divisor = 0.0
    for p, label in pixels(logits, target, ignore):
        total += weight(weights, label) * (1 - p[label]) ** gamma * -math.log(p[label])
        divisor += weight(weights, label)
    return total / divisor if divisor else 0.0


def ohem(
    logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None, threshold: float = 0.7, kept: int = 0
) -> float:
    sorted_pixels = sorted((p[label], label) for p, label in pixels(logits, target, ignore))
    hard = [pixel for pixel in sorted_pixels if pixel[0] < threshold]
    hard = hard if len(hard) >= kept else sorted_pixels[:kept]
    divisor = sum(weight(weights, label) for _, label in hard)
    return sum(-weight(weights, label) * math.log(p) for p, label in hard) / divisor if divisor else 0.0


def dice(logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None, power: int = 1) -> float:
    seen = list(pixels(logits, target, ignore))
    names = [1] if logits.shape[1] == 1 else range(logits.shape[1])
    total = divisor = 0.0
    for c in names:
        held = sum(label == c for _, label in seen)
        if held:
            both = sum(p[c] for p, label in seen if label == c)
            total += weight(weights, c) * (1 - 2 * both / (sum(p[c] ** power for p, _ in seen) + held))
            divisor += weight(weights, c)
    return total / divisor if divisor else 0.0


def jaccard_loss(missed: set[int], truth: set[int]) -> float:
    """1 − IoU when the pixels in ``missed`` are wrong, equation 5 of Berman et al. (1705.08790)."""
    return len(missed) / len(truth | missed) if truth | missed else 0.0


def lovasz_extension(errors: Sequence[float], truth: set[int]) -> float:
    """Definition 1 there: by the values of the set function itself, one pixel after the other."""
    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    gains = [jaccard_loss(set(order[: i + 1]), truth) - jaccard_loss(set(order[:i]), truth) for i in range(len(order))]
    return sum(errors[pixel] * gain for pixel, gain in zip(order, gains, strict=True))


def lovasz_softmax(logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None) -> float:
    seen = list(pixels(logits, target, ignore))
    total = divisor = 0.0
    for c in sorted({label for _, label in seen}):
        errors = [1 - p[c] if label == c else p[c] for p, label in seen]
        truth = {i for i, (_, label) in enumerate(seen) if label == c}
        total += weight(weights, c) * lovasz_extension(errors, truth)
        divisor += weight(weights, c)
    return total / divisor if divisor else 0.0


def lovasz_hinge(logits: np.ndarray, target: np.ndarray, ignore: int) -> float:
    flat = [(float(z), int(y)) for z, y in zip(logits.ravel(), target.ravel(), strict=True) if y != ignore]
    errors = [max(0.0, 1 - z if y == 1 else 1 + z) for z, y in flat]
    return lovasz_extension(errors, {i for i, (_, y) in enumerate(flat) if y == 1})


def lovasz(logits: np.ndarray, target: np.ndarray, ignore: int, weights: Weights = None) -> float:
    """A single logit has one class, whose weight is divided by itself."""
    if logits.shape[1] == 1:
        return lovasz_hinge(logits, target, ignore)
    return lovasz_softmax(logits, target, ignore, weights)
