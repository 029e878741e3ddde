"""How long is trained, and in which steps."""

from pydantic import Field

from intarsia.runs.settings.section import Section


class ScheduleSettings(Section):
    """Steps and their number."""

    epochs: int = Field(default=20, ge=1, description="Passes over the training images.")
    batch_size: int = Field(default=8, ge=1, description="Images a step.")
