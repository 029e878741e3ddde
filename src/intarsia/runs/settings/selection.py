"""Which weights a run leaves, and when a training has learned enough."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, field_validator

from intarsia.runs.settings.section import SELDOM, Section

SCORES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "segmentation": ("mean_iou", "pixel_accuracy", "loss"),
        "classification": ("accuracy", "mean_accuracy", "loss"),
        "depth": ("rmse", "mae", "rel", "loss"),
    }
)
"""What an epoch's line holds for each task, the first of them first; ``loss`` is the mean over the epoch's steps."""
IOU_OF = "iou:"  # and the name of a class
ERRORS = ("rmse", "mae", "rel", "loss")  # better when they are smaller


class SelectionSettings(Section):
    """Averages, and what is best."""

    ema: Annotated[float | None, SELDOM] = Field(
        default=None,
        gt=0,
        lt=1,
        description="Validate and keep a running mean of the weights, which keeps this share of itself at each step, "
        "such as 0.999.",
    )
    precise_batch_norm: Annotated[int, SELDOM] = Field(
        default=0, ge=0, description="Before each validation, measure batch norm's statistics on so many batches."
    )
    best_by: Annotated[str | None, SELDOM] = Field(
        default=None,
        description="The score whose best weights are kept, also of one class, such as iou:bicycle; by default "
        "mean_iou, accuracy or rmse.",
    )
    patience: Annotated[int | None, SELDOM] = Field(
        default=None, ge=1, description="End a stage after so many epochs without a better score."
    )

    @field_validator("best_by")
    @classmethod
    def _check_best_by(cls, best_by: str | None, fields: Any) -> str | None:
        """If the task itself was refused, that is said."""
        task = fields.data.get("task", "")
        known = SCORES.get(task)
        if best_by is None or known is None or best_by in known:
            return best_by
        of_class = task == "segmentation"
        if of_class and best_by.startswith(IOU_OF) and best_by != IOU_OF:
            return best_by  # whether there is such a class, the data will tell
        near = get_close_matches(best_by, known, n=1)
        raise ValueError(
            f"must be one of {', '.join(known)}{f', or {IOU_OF} and a class' if of_class else ''}"
            f"{f'; the nearest is {near[0]}' if near else ''}"
        )
