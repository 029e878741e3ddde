"""How long is trained, and in which steps."""

from typing import Annotated, Literal

from pydantic import Field

from intarsia.runs.settings.section import SELDOM, Section


class ScheduleSettings(Section):
    """Steps and their number."""

    epochs: int = Field(default=20, ge=1, description="Passes over the training images.")
    steps: int | None = Field(default=None, ge=1, description="Steps, instead of epochs; the last epoch may be a part.")
    batch_size: int = Field(default=8, ge=1, description="Images of a forward pass, in each process.")
    accumulate: Annotated[int, SELDOM] = Field(
        default=1, ge=1, description="Forward passes of a step: it learns from their images together."
    )
    norm_statistics: Annotated[Literal["synchronised", "process"], SELDOM] = Field(
        default="synchronised",
        description="With several processes: batch norm over the images of all of them, or of each process alone.",
    )
