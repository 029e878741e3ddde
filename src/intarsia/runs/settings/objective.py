"""What a training minimises."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from intarsia.runs.loss_names import check_loss, checked_loss_options
from intarsia.runs.settings.section import SELDOM, Options, Section


class ObjectiveSettings(Section):
    """The losses."""

    loss: str = Field(
        default="cross_entropy",
        description="cross_entropy, focal, dice, lovasz, ohem (hard pixels only) or border_weighted (U-Net's), or a "
        "sum such as cross_entropy+0.5*dice; cross_entropy+aaf also compares neighbours. docs/losses.md tells when. "
        "Depth: l1, l2, berhu or scale_invariant.",
    )
    loss_options: Annotated[Options, SELDOM] = Field(
        default_factory=dict,
        description="Of the losses, such as --loss-options.focal.gamma 1 or --loss-options.label-smoothing 0.1.",
    )
    average: Annotated[Literal["pixels", "images"], SELDOM] = Field(
        default="pixels",
        description="A loss is taken of all pixels of a batch together, or of each image by itself, which then counts "
        "as much as another.",
    )
    auxiliary_weight: Annotated[float | None, SELDOM] = Field(
        default=None, gt=0, allow_inf_nan=False, description="Of each auxiliary output's loss; by default the model's."
    )

    @field_validator("loss")
    @classmethod
    def _check_loss(cls, loss: str, fields: Any) -> str:  # Any: pydantic's type cannot be checked
        check_loss(loss, fields.data.get("task", "auto"))
        return loss

    @field_validator("loss_options")
    @classmethod
    def _check_loss_options(cls, options: dict[str, Any], fields: Any) -> dict[str, Any]:
        """If the loss itself was refused, that is said."""
        return checked_loss_options(fields.data["loss"], options) if "loss" in fields.data else options
