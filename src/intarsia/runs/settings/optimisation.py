"""How the weights follow the gradient."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BeforeValidator, Field, field_validator

from intarsia.runs.settings.section import SELDOM, Section, read_list

LEARNING_RATES = {"adamw": 1e-3, "sgd": 1e-2}
WEIGHT_DECAYS = {"adamw": 1e-2, "sgd": 1e-4}


class OptimiserSettings(Section):
    """The optimiser, its rates and its decay."""

    optimiser: Literal["adamw", "sgd"] = Field(default="adamw", description="SGD has momentum.")
    learning_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="By default 1e-3 for AdamW, 1e-2 for SGD."
    )
    weight_decay: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="By default 1e-2 for AdamW, 1e-4 for SGD."
    )
    momentum: Annotated[float, SELDOM] = Field(default=0.9, ge=0, lt=1, description="Of SGD.")
    head_factor: Annotated[float, SELDOM] = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Everything behind the backbone learns so many times as fast.",
    )
    bias_factor: Annotated[float, SELDOM] = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="Biases of convolutions learn so many times as fast."
    )
    decay_vectors: Annotated[bool, SELDOM] = Field(
        default=False, description="Decay biases, and scales and shifts of norms, as well."
    )
    clip: Annotated[float | None, SELDOM] = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="The largest norm of the whole gradient; a larger one is shortened to it.",
    )
    schedule: Annotated[Literal["poly", "cosine", "step", "constant"], SELDOM] = Field(
        default="poly", description="How the learning rate falls, per step."
    )
    power: Annotated[float, SELDOM] = Field(default=0.9, ge=0, allow_inf_nan=False, description="Of poly.")
    drops: Annotated[
        tuple[float, ...], BeforeValidator(read_list), SELDOM, Parameter(negative="", consume_multiple=True)
    ] = Field(
        default=(0.4, 0.8),
        description="step: after these shares of the training the rate falls to a tenth, such as 0.4,0.8.",
    )
    warmup: Annotated[int, SELDOM] = Field(
        default=0, ge=0, description="Steps in which the learning rate rises to the schedule's."
    )

    @field_validator("schedule", mode="before")
    @classmethod
    def _check_linear(cls, schedule: object) -> object:
        if schedule == "linear":
            raise ValueError("is 'poly' with `power` 1; take these")
        return schedule

    @field_validator("drops")
    @classmethod
    def _check_drops(cls, drops: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < share < 1 for share in drops) or list(drops) != sorted(set(drops)):
            raise ValueError("must be shares between 0 and 1 that rise, such as 0.4,0.8")
        return drops

    @property
    def base_learning_rate(self) -> float:
        """The learning rate at the first step, but for a warm-up."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay in force."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay
