"""Which weights are best, and when a stage has learned enough."""

import math
from typing import Any

from intarsia.data import Dataset
from intarsia.errors import ArgumentError
from intarsia.runs import Recipe
from intarsia.runs.settings.selection import ERRORS, IOU_OF
from intarsia.training.admission import Data
from intarsia.training.balancing import check_class
from intarsia.training.building import Task
from intarsia.training.processes import from_first
from intarsia.training.state import TrainingState


def judged(recipe: Recipe, task: Task, scores: Any, loss: float) -> float:
    """What the recipe calls best, larger if better: errors are negative."""
    if recipe.best_by is None:
        return task.score(scores)
    figures = task.figures(scores)
    if recipe.best_by.startswith(IOU_OF):
        return float(figures["per_class_iou"][recipe.best_by.removeprefix(IOU_OF)])
    value = float({**figures, "loss": loss}[recipe.best_by])
    return -value if recipe.best_by in ERRORS else value


def check_best_by(recipe: Recipe, dataset: Data) -> None:
    """Refuse the IoU of what is no class, or of a class that no image is validated for: it would be nan, or 0.

    Raises:
        UnknownNameError: there is no such class.
        ArgumentError: no validation mask holds it.
    """
    if recipe.best_by is None or not recipe.best_by.startswith(IOU_OF):
        return
    assert isinstance(dataset, Dataset), "only a segmentation has an IoU"
    name, samples = recipe.best_by.removeprefix(IOU_OF), dataset.split("val")
    check_class(name, dataset.classes, recipe.data)
    label = dataset.classes.names.index(name)
    if not from_first(lambda: any(bool((sample.mask() == label).any()) for sample in samples)):
        raise ArgumentError(
            f"`best_by` (={recipe.best_by!r}) names a class that none of the {len(samples)} images to validate on "
            "holds; take another score, or images that hold it."
        )


def note(state: TrainingState, score: float) -> bool:
    """Whether a score is the stage's best so far; its first always is, even if it is no number and nothing better."""
    is_first = state.best_score == -math.inf and not state.waited
    is_better = score > state.best_score
    state.best_score = score if is_better else state.best_score
    state.waited = 0 if is_better else state.waited + 1
    return is_better or is_first


def told_best(recipe: Recipe, task: Task, score: float) -> str:
    """The best score in words."""
    if recipe.best_by is None:
        return task.told(score)
    return f"{recipe.best_by} {-score if recipe.best_by in ERRORS else score:.4f}"
