"""A training in several stages: what each of them replaces in the recipe, and on which images it learns."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from intarsia.runs.settings.balancing import HardClasses
from intarsia.runs.settings.network import NetworkSettings
from intarsia.runs.settings.objective import ObjectiveSettings
from intarsia.runs.settings.optimisation import OptimiserSettings
from intarsia.runs.settings.schedule import ScheduleSettings
from intarsia.runs.settings.section import SELDOM, Options, Section, read_list
from intarsia.runs.settings.task import TaskSettings
from intarsia.runs.settings.views import ViewSettings

FrozenNorm = bool | Literal["statistics"]


Names = Annotated[tuple[str, ...], BeforeValidator(read_list)]
"""Names, also from one text with commas."""


class Stage(Section):
    """One stage; what is left out is the recipe's.

    The learning rate's schedule runs from the first to the last step of each stage, and the run keeps the best weights
    of its last stage. DeepLab v3 has two stages, and FCN three networks, each of which begins with the weights of the
    one before, by name (arXiv:1706.05587, section 4; arXiv:1605.06211, section 4.2).

    >>> Stage(output_stride=8, freeze_batch_norm=True, steps=30000, learning_rate=0.001, split="trainval").replaced()
    {'split': 'trainval', 'steps': 30000, 'learning_rate': 0.001, 'output_stride': 8, 'freeze_batch_norm': True}
    """

    split: str | None = Field(default=None, description="The images to learn from: train, trainaug, trainval, …")
    epochs: int | None = Field(default=None, ge=1, description="Passes over these images.")
    steps: int | None = Field(default=None, ge=1, description="Steps, instead of epochs.")
    learning_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="At the stage's first step."
    )
    schedule: Literal["poly", "cosine", "step", "constant"] | None = Field(
        default=None, description="How the learning rate falls."
    )
    warmup: int | None = Field(default=None, ge=0, description="Steps in which the learning rate rises to it.")
    batch_size: int | None = Field(default=None, ge=1, description="Images of a forward pass, in each process.")
    accumulate: int | None = Field(default=None, ge=1, description="Forward passes of a step.")
    crop_size: int | None = Field(default=None, ge=16, description="Rows and columns of a training crop, pixels.")
    output_stride: Literal[8, 16, 32] | None = Field(default=None, description="Dilation follows it.")
    freeze_batch_norm: FrozenNorm | None = Field(default=None, description="As in the recipe.")
    freeze: Names | None = Field(default=None, description="As in the recipe.")
    model: str | None = Field(default=None, description="Another model, which takes the weights that fit by name.")
    form: str | None = Field(default=None, description="Its form.")
    options: Options | None = Field(default=None, description="Of the form, all of them.")
    loss: str | None = Field(default=None, description="What it minimises.")
    loss_options: Options | None = Field(
        default=None,
        description="Of the losses, all of them; by default the recipe's, as far as the sum has their losses.",
    )
    hard_classes: HardClasses | None = Field(default=None, description="As in the recipe.")
    optimiser: Literal["restart", "continue"] = Field(
        default="restart", description="Whether momentum begins anew or goes on, for all weights that go on."
    )

    @model_validator(mode="before")
    @classmethod
    def _is_table(cls, given: object) -> object:
        if not isinstance(given, Mapping | Stage):
            raise ValueError("must be a table of fields, such as {epochs = 5}")
        if isinstance(given, Mapping) and "stages" in given:
            raise ValueError("a stage holds no stages of its own; write them one after the other")
        return given

    @field_validator("steps")
    @classmethod
    def _one_length(cls, steps: int | None, fields: Any) -> int | None:
        if steps is not None and fields.data.get("epochs") is not None:
            raise ValueError("says how long the stage is, and so does `epochs`; give one of them")
        return steps

    def replaced(self) -> dict[str, object]:
        """The recipe's fields that are others in this stage."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "optimiser"}
        values = {name: value for name, value in values.items() if value is not None}
        return {**values, "steps": None} if "epochs" in values else values


class StageSettings(Section):
    """Which images a training learns from, what stays as it is, and in how many stages."""

    split: Annotated[str, SELDOM] = Field(
        default="train",
        description="The images to learn from; trainval is train and val together where the data do not list it.",
    )
    freeze: Annotated[Names, SELDOM, Parameter(negative="", consume_multiple=True)] = Field(
        default=(), description="Parts that stay as they are, by name, such as backbone or backbone.body.layer1."
    )
    freeze_batch_norm: Annotated[FrozenNorm, SELDOM] = Field(
        default=False,
        description="Keep the statistics of all batch norms, and their scales and shifts; statistics: these go on "
        "learning.",
    )
    stages: Annotated[tuple[Stage, ...], Parameter(parse=False)] = Field(
        default=(), description="Stages one after the other, each of which replaces some of the above."
    )

    @field_validator("stages", mode="before")
    @classmethod
    def _are_several(cls, stages: object) -> object:
        if isinstance(stages, Mapping):
            raise ValueError("must be several tables; head each [[recipe.stages]], in two pairs of brackets")
        if not isinstance(stages, list | tuple):
            raise ValueError("must be a list of tables, such as [{epochs = 5}, {output_stride = 8}]")
        return stages

    @field_validator("stages")
    @classmethod
    def _nothing_to_continue(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if stages and stages[0].optimiser == "continue":
            raise ValueError("the first stage has no optimiser to continue; leave `optimiser` out of stages[0]")
        return stages

    @field_validator("stages")
    @classmethod
    def _fit_the_rest(cls, stages: tuple[Stage, ...], fields: Any) -> tuple[Stage, ...]:
        """A stage knows neither the task nor what it leaves as it is, and so cannot tell by itself."""
        if not fields.data.keys() >= _Replaceable.model_fields.keys():
            return stages  # what they leave as it is was refused
        checked: list[Stage] = []
        mistakes: list[InitErrorDetails] = []
        for number, stage in enumerate(stages):
            try:
                checked.append(_fitted(stage, fields.data))
            except ValidationError as error:
                mistakes += [_within(number, mistake) for mistake in error.errors()]
        if mistakes:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return tuple(checked)


class _Replaceable(OptimiserSettings, ObjectiveSettings, ViewSettings, ScheduleSettings, NetworkSettings, TaskSettings):
    """The subjects of which a stage replaces something, with their rules."""


def _fitted(stage: Stage, values: Mapping[str, Any]) -> Stage:
    """A stage whose values go with those of the recipe; options of losses stand under the names of these."""
    own = stage.replaced()
    if "loss" in own:  # options that the recipe has for other losses are no mistake
        own = {"loss_options": {}, **own}
    whole = {name: value for name, value in {**values, **own}.items() if name in _Replaceable.model_fields}
    options = _Replaceable.model_validate(whole).loss_options
    return stage if stage.loss_options is None else stage.model_copy(update={"loss_options": options})


def _within(number: int, mistake: ErrorDetails) -> InitErrorDetails:
    """The same mistake, at its place among all stages."""
    loc = (number, *mistake["loc"])
    return InitErrorDetails(type=mistake["type"], loc=loc, input=mistake["input"], ctx=mistake.get("ctx", {}))
