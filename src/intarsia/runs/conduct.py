"""How a training behaves on this machine, today: no part of the recipe, so a resumed run may choose anew."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intarsia.errors import ArgumentError
from intarsia.runs.settings import SELDOM
from intarsia.validation import first_mistake


class Conduct(BaseModel):
    """What a training writes beside its results, how often it saves, and what it does when memory runs out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Annotated[bool, SELDOM] = Field(
        default=True, description="Look at all images and masks before, and refuse what cannot be used."
    )
    tensorboard: Annotated[bool, Parameter(negative="")] = Field(
        default=False, description="Write loss, learning rate, scores and pictures to tensorboard/ in the run folder."
    )
    on_oom: Literal["stop", "halve"] = Field(
        default="stop",
        description="When memory runs out: stop, or go on with half the images at a time and add up the gradients.",
    )
    checkpoint_minutes: Annotated[float, SELDOM] = Field(
        default=10, ge=0, description="Save at least this often, also within an epoch; 0 saves after each step."
    )


def make_conduct(**values: Any) -> Conduct:
    """A conduct, or one clear sentence about the first value that breaks a rule.

    >>> make_conduct(on_oom="pray")
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: `on_oom` (='pray'): input should be 'stop' or 'halve'.
    """
    try:
        return Conduct(**values)
    except ValidationError as error:
        raise ArgumentError(first_mistake(error)) from error
