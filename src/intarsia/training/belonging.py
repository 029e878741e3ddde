"""Which settings belong to which task: one that would have no effect is refused before anything is read."""

from intarsia.errors import ArgumentError
from intarsia.models import CATALOG, DEPTH_CATALOG
from intarsia.runs import Recipe
from intarsia.runs.loss_names import DEPTH_LOSSES, PAIRS, WHOLE_BATCH, loss_terms

NO_MASKS = (  # what only segmentation has
    *("auxiliary", "auxiliary_weight", "refiner", "refiner_options", "train", "loss_options", "average"),
    *("class_weights", "hard_classes", "image_weights", "class_crops"),
)
NO_SYSTEM = ("model", "output_stride", "form", "options", "backbone_weights", "weights", "loss")  # nor a classifier

OTHERS = {  # the settings that a task has no use for, and what is trained instead
    "segmentation": ((), "a segmentation"),
    "classification": ((*NO_SYSTEM, *NO_MASKS), "a classifier"),
    "depth": (NO_MASKS, "depths"),
}


def check_settings(recipe: Recipe) -> None:
    """Refuse what has no effect on the task of a recipe, and a model of another task.

    Raises:
        ArgumentError: there is such a setting.
    """
    names, trained = OTHERS[recipe.task]
    for name in names:
        if getattr(recipe, name) != Recipe.model_fields[name].get_default(call_default_factory=True):
            raise _stranger(recipe, name, "segmentation", trained)
    if recipe.measuring is not None and recipe.task != "depth":
        raise _stranger(recipe, "measuring", "depth", trained)
    if recipe.task == "classification" and recipe.pretrained not in (False, "auto"):
        raise ArgumentError(
            f"`pretrained` (={recipe.pretrained!r}) must be left out or False: a classifier is trained from scratch."
        )
    other = {"depth": CATALOG, "segmentation": DEPTH_CATALOG}.get(recipe.task, {})
    if recipe.model in other:
        own = DEPTH_CATALOG if recipe.task == "depth" else CATALOG
        raise ArgumentError(
            f"`model` (={recipe.model!r}) is no model for `task` (={recipe.task!r}); take {', '.join(own)}."
        )


def check_halving(recipe: Recipe, processes: int) -> None:
    """Refuse to halve batches where memory runs out, if their parts would not add up.

    Raises:
        ArgumentError: there are several processes, or a loss looks at a batch as a whole.
    """
    if processes > 1:
        raise ArgumentError(
            f"`on_oom` (='halve') works in one process, not in {processes}, which would have to agree in the middle of "
            "a step; take 'stop' and a smaller batch_size."
        )
    for term in loss_terms(recipe.loss):
        if term in WHOLE_BATCH and (term == PAIRS or recipe.average == "pixels"):
            other = "" if term in (PAIRS, *DEPTH_LOSSES) else " `average` 'images', or"
            raise ArgumentError(
                f"`on_oom` (='halve') cannot go with `loss` (={recipe.loss!r}), where {term} {WHOLE_BATCH[term]}; take"
                f"{other} 'stop' and a smaller batch_size."
            )


def _stranger(recipe: Recipe, name: str, task: str, trained: str) -> ArgumentError:
    value = getattr(recipe, name)
    return ArgumentError(f"`{name}` (={value!r}) belongs to {task}; leave it out to train {trained}.")
