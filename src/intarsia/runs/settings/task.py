"""What is learned."""

from typing import Annotated, Literal

from pydantic import Field

from intarsia.runs.settings.section import SELDOM, Section


class TaskSettings(Section):
    """What is learned."""

    task: Annotated[Literal["segmentation", "classification"], SELDOM] = Field(
        default="segmentation",
        description="classification trains the backbone alone, on folders of pictures of one class each.",
    )
