"""How the weights follow the gradient."""

from typing import Annotated, Literal

from pydantic import Field

from intarsia.runs.settings.section import SELDOM, Section

LEARNING_RATES = {"adamw": 1e-3, "sgd": 1e-2}
WEIGHT_DECAYS = {"adamw": 1e-2, "sgd": 1e-4}


class OptimiserSettings(Section):
    """The optimiser, its rate and its decay."""

    optimiser: Literal["adamw", "sgd"] = Field(default="adamw", description="SGD has momentum 0.9.")
    learning_rate: float | None = Field(default=None, gt=0, description="By default 1e-3 for AdamW, 1e-2 for SGD.")
    weight_decay: float | None = Field(default=None, ge=0, description="By default 1e-2 for AdamW, 1e-4 for SGD.")
    power: Annotated[float, SELDOM] = Field(
        default=0.9, ge=0, description="Of the polynomial decay of the learning rate, per step."
    )

    @property
    def base_learning_rate(self) -> float:
        """The learning rate at the first step."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay in force."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay
