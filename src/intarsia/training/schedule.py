"""The learning rate as a pure function of the step."""

import math

from intarsia.runs import Recipe

DROP = 0.1  # what a rate falls to at each drop (DeepLab v1, arXiv:1412.7062, section 4.1; DRN, arXiv:1705.09914)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of a step, counted from 0, out of ``steps``: the schedule's, times what a warm-up has reached.

    >>> recipe = Recipe(data="x", learning_rate=1.0, schedule="cosine", warmup=4)
    >>> [round(learning_rate(recipe, step, 10), 3) for step in (0, 3, 5, 9)]
    [0.25, 0.794, 0.5, 0.024]
    """
    warm = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    return recipe.base_learning_rate * warm * remaining(recipe, step, steps)


def remaining(recipe: Recipe, step: int, steps: int) -> float:
    """The share of the first rate that a schedule has left."""
    if recipe.schedule == "poly":
        return polynomial(step, steps, 1.0, recipe.power)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / steps))
    if recipe.schedule == "step":
        return DROP ** sum(step >= share * steps for share in recipe.drops)
    return 1.0


def polynomial(step: int, steps: int, base: float, power: float = 0.9) -> float:
    """``base · (1 − step / steps)^power``, per step (ParseNet, arXiv:1506.04579; DeepLab v2, section 4.1).

    >>> [round(polynomial(step, 10, 1.0), 3) for step in (0, 5, 9)]
    [1.0, 0.536, 0.126]
    """
    return base * (1 - step / steps) ** power
