"""From a recipe's rules for rare and hard classes to numbers, once before the first step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from intarsia.data import Classes, Dataset, Sample
from intarsia.data.class_balance import CLASS_WEIGHTS, Histogram, class_histogram, rarity
from intarsia.data.depth import DepthDataset
from intarsia.data.listing import read_text
from intarsia.errors import ArgumentError, DataError, UnknownNameError
from intarsia.runs import Balance, Recipe, Run
from intarsia.runs.settings.balancing import RARITY
from intarsia.training.admission import Data

HARD = 4  # the worst 1 / HARD of all classes are hard: five of VOC's 21, which is how many DeepLab v3 doubles
History = Sequence[Mapping[str, Any]]  # an evaluation an epoch, oldest first
TIMES = 2  # as often as others are images with a hard class seen: DeepLab v3, arXiv:1706.05587, section 4.1


def find_balance(recipe: Recipe, dataset: Data, history: History | None = None) -> Balance:
    """What the rules of a recipe, or of one stage, say of the training images; their masks are read if a rule asks.

    Classes are hard as the last line of ``history`` found them, by default of the run that the recipe starts from.

    Raises:
        ArgumentError: there is no such class, weights are not one a class, or there is no evaluation to learn from.
        DataError: a mask or the file of weights cannot be read, or the file names no such image.
    """
    if isinstance(dataset, DepthDataset):
        return Balance()
    samples, classes = dataset.split(recipe.split), dataset.classes
    hard = _hard_classes(recipe, classes, history)
    counted = isinstance(recipe.class_weights, str) or recipe.image_weights == RARITY or hard
    histogram = class_histogram(samples, classes) if counted else np.zeros((0, classes.count), int)
    weights = _class_weights(recipe, classes, histogram)
    holding = {name: histogram[:, classes.names.index(name)] > 0 for name in hard}
    return Balance(
        weights,
        hard,
        _image_weights(recipe, classes, hard, samples, histogram),
        in_every_image=tuple(name for name, held in holding.items() if held.all()),
        in_no_image=tuple(name for name, held in holding.items() if not held.any()),
    )


def hardest_classes(per_class_iou: Mapping[str, float | None]) -> tuple[str, ...]:
    """The quarter of the classes, at least one, with the lowest IoU; classes that no image held are left out.

    >>> hardest_classes({"road": 0.9, "pole": 0.3, "car": 0.8, "train": None})
    ('pole',)
    """
    known = {name: iou for name, iou in per_class_iou.items() if iou is not None and not np.isnan(iou)}
    return tuple(sorted(known, key=lambda name: known[name])[: max(1, len(known) // HARD)])


def check_hard_classes(recipe: Recipe, dataset: Data) -> None:
    """Refuse names that are no classes, before a stage begins in which they would be hard.

    Raises:
        UnknownNameError: there is such a name.
    """
    if isinstance(dataset, Dataset) and recipe.hard_classes != "auto":
        for name in recipe.hard_classes:
            check_class(name, dataset.classes, recipe.data)


def _hard_classes(recipe: Recipe, classes: Classes, history: History | None) -> tuple[str, ...]:
    if recipe.hard_classes == "auto":
        return hardest_classes(_last_evaluation(recipe, history))
    for name in recipe.hard_classes:
        check_class(name, classes, recipe.data)
    return recipe.hard_classes


def _last_evaluation(recipe: Recipe, history: History | None) -> Mapping[str, float | None]:
    """IoU of each class after the last epoch."""
    if history is None:
        history = [] if recipe.weights is None else Run(Path(recipe.weights).expanduser()).history()
    if not history or "per_class_iou" not in history[-1]:
        raise ArgumentError(
            "`hard_classes` (='auto') are those that an earlier run or stage did worst, and `weights` "
            f"(={recipe.weights!r}) is no run with an evaluation; give --weights RUN, or name the classes."
        )
    return history[-1]["per_class_iou"]


def _class_weights(recipe: Recipe, classes: Classes, histogram: Histogram) -> dict[str, float] | None:
    given = recipe.class_weights
    if given is None:
        return None
    if isinstance(given, str):
        return dict(zip(classes.names, CLASS_WEIGHTS[given](histogram).tolist(), strict=True))
    if isinstance(given, dict):
        for name in given:
            check_class(name, classes, recipe.data)
        return {name: given.get(name, 1.0) for name in classes.names}
    if len(given) != classes.count:
        raise ArgumentError(
            f"`class_weights` (={given}) must be one number for each of the {classes.count} classes, "
            f"{', '.join(classes.names)}; name=weight gives it to some."
        )
    return dict(zip(classes.names, given, strict=True))


def _image_weights(
    recipe: Recipe, classes: Classes, hard: tuple[str, ...], samples: Sequence[Sample], histogram: Histogram
) -> tuple[float, ...] | None:
    if recipe.image_weights is None and not hard:
        return None
    weights = np.ones(len(samples))
    if recipe.image_weights == RARITY:
        weights = rarity(histogram)
    elif recipe.image_weights is not None:
        weights = read_image_weights(recipe.image_weights, samples)
    if hard:
        held = histogram[:, [classes.names.index(name) for name in hard]].any(1)
        weights = weights * np.where(held, TIMES, 1)
    return tuple(weights.tolist())


def read_image_weights(path: str | Path, samples: Sequence[Sample]) -> Float[np.ndarray, "N"]:
    """The weights in a file, a line `name weight` for each image that shall not have 1; # begins a comment.

    Raises:
        DataError: the file cannot be read, a line is none, names no image, or no image weighs anything.
    """
    path = Path(path).expanduser()
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise DataError(
            f"The image weights `{path}` cannot be read ({error.strerror}): correct the path, or write rarity."
        ) from None
    places = {sample.name: i for i, sample in enumerate(samples)}
    weights = np.ones(len(samples))
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, _, number = line.strip().rpartition(" ")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if name.strip() not in places or not 0 <= weight < np.inf:
            raise DataError(
                f"`{path}` holds `{line.strip()}`, but a line is the name of a training image, such as "
                f"`{samples[0].name}`, and a number from 0 on: correct it."
            )
        weights[places[name.strip()]] = weight
    if not weights.any():
        raise DataError(f"`{path}` gives every image the weight 0: leave some above 0, or out of the file.")
    return weights


def check_class(name: str, classes: Classes, data: str) -> None:
    """Refuse a name that no class has. Raises ``UnknownNameError``."""
    if name not in classes.names:
        raise UnknownNameError("class", name, classes.names, f"`intarsia check {data}`")
