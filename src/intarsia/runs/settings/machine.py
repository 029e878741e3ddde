"""The seed, what is read, and how it is computed."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import Field, field_validator

from intarsia.data.decoding import MAX_PIXELS
from intarsia.runs.settings.section import SELDOM, Section


class MachineSettings(Section):
    """What belongs to the data's files and to the machine."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Of weights, order and augmentation.")
    skip: str | None = Field(
        default=None, description="A list of files to leave out, such as `intarsia check --fix-list` writes."
    )
    max_pixels: Annotated[int, SELDOM] = Field(default=MAX_PIXELS, ge=1, description="The largest image that is read.")
    workers: Annotated[int | None, SELDOM] = Field(
        default=None, ge=0, description="Loading processes; by default chosen by the machine."
    )
    precision: Annotated[Literal["auto", "float32", "bfloat16"], SELDOM] = Field(
        default="auto", description="auto measures which is faster."
    )
    memory_format: Annotated[Literal["auto", "contiguous", "channels_last"], SELDOM] = Field(
        default="auto", description="auto measures too."
    )
    compile: Annotated[bool, SELDOM, Parameter(negative="")] = Field(
        default=False, description="Compile the network for training: minutes at the start, faster steps."
    )
    checkpointing: Annotated[bool, SELDOM, Parameter(negative="")] = Field(
        default=False, description="Compute the backbone twice in each step and hold less of it, for larger crops."
    )

    @field_validator("checkpointing")
    @classmethod
    def _one_of_both(cls, checkpointing: bool, fields: Any) -> bool:
        if checkpointing and fields.data.get("compile"):
            raise ValueError("cannot go with `compile`, which decides by itself what is computed twice; leave one out")
        return checkpointing
