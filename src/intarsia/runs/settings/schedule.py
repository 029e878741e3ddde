"""How long is trained, and in which steps."""

from pydantic import Field

from intarsia.runs.settings.section import Section


class ScheduleSettings(Section):
    """Steps and their number."""

    epochs: int = Field(default=20, ge=1, description="Passes over the training images.")
    steps: int | None = Field(default=None, ge=1, description="Steps, instead of epochs; the last epoch may be a part.")
    batch_size: int = Field(default=8, ge=1, description="Images a step.")
