"""What is learned, and what a recipe that says no more holds for it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from intarsia.data.depth.measuring import parse_measuring
from intarsia.data.depth.open import is_depth_source
from intarsia.errors import ArgumentError
from intarsia.runs.settings.section import SELDOM, Section

DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "depth": {
            "model": "cspn_depth",
            "form": "filled",
            "backbone": "resnet18",
            "loss": "l1",
            "crop_size": 112,
            "scale": (1.0, 1.5),
        }
    }
)
"""Where a task's defaults are not those of the fields."""


class TaskSettings(Section):
    """What is learned."""

    task: Annotated[Literal["auto", "segmentation", "classification", "depth"], SELDOM] = Field(
        default="auto",
        description="auto looks at the data: depth for images with depths, else segmentation; classification trains "
        "the backbone alone, on folders of pictures of one class each. Depth has defaults of its "
        "own: docs/depth.md.",
    )
    measuring: str | None = Field(
        default=None,
        description="Depth: what the network is told of it, such as 500 (pixels), grid:16, lines:32 or confidence:500, "
        "or own for what the data's sensor measured; by default that, or 500 pixels where there is none.",
    )

    @field_validator("measuring", mode="before")
    @classmethod
    def _read_measuring(cls, measuring: object) -> object:
        """A number means so many pixels."""
        return str(measuring) if isinstance(measuring, int) and not isinstance(measuring, bool) else measuring

    @field_validator("measuring")
    @classmethod
    def _check_measuring(cls, measuring: str | None) -> str | None:
        try:
            return None if measuring is None else str(parse_measuring(measuring))
        except ArgumentError as error:
            raise ValueError(str(error).removesuffix(".")) from error


def left_open(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is not given: the task, told from the data, and the defaults of the task.

    >>> left_open({"data": "sample:motorcycle", "crop_size": 64})["model"]
    'cspn_depth'
    """
    task, data, told = given.get("task", "auto"), given.get("data"), {}
    if task == "auto":
        task = "depth" if isinstance(data, str) and is_depth_source(data) else "segmentation"
        told = {"task": task}
    defaults = DEFAULTS.get(task, {}) if isinstance(task, str) else {}
    return {**told, **{name: value for name, value in defaults.items() if name not in given}}
