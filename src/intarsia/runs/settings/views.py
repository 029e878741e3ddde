"""What is drawn at random for each training image."""

from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import Field, field_validator

from intarsia.data.augmentation.strengths import Augmentation
from intarsia.runs.settings.section import Section


class ViewSettings(Section):
    """The strengths of the augmentation."""

    crop_size: int = Field(default=256, ge=16, description="Rows and columns of a training crop, pixels.")
    scale: Annotated[tuple[float, float], Parameter(negative="")] = Field(
        default=(0.5, 2.0), description="Range of the random scale."
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of a mirror image.")
    colour: float = Field(
        default=0.25, ge=0, lt=1, description="Strength of random brightness, contrast and saturation."
    )
    rotation: float = Field(default=0.0, ge=0, le=180, description="Largest random rotation, degrees.")
    elastic: float = Field(
        default=0.0, ge=0, description="Random elastic deformation: standard deviation of the displacements, pixels."
    )
    blur: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Half of the views: up to this Gaussian sigma, pixels."
    )

    @field_validator("scale", mode="before")
    @classmethod
    def _two_numbers(cls, scale: object) -> object:
        if not isinstance(scale, list | tuple) or len(scale) != 2:
            raise ValueError("must be two positive numbers, the smaller first")
        return scale

    @field_validator("scale")
    @classmethod
    def _check_scale(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError("must be two positive numbers, the smaller first")
        return scale

    @field_validator("elastic")
    @classmethod
    def _check_elastic(cls, elastic: float, fields: Any) -> float:  # Any: pydantic's type cannot be checked
        """As in :class:`intarsia.data.Augmentation`, but before anything is read."""
        if elastic > fields.data.get("crop_size", 0) / 16:
            raise ValueError("must be at most a 16th of `crop_size`, above which pictures would fold over themselves")
        return elastic

    def augmentation(self) -> Augmentation:
        """What is drawn at random for each training image."""
        return Augmentation(
            crop_size=(self.crop_size, self.crop_size),
            scale=self.scale,
            flip=self.flip,
            brightness=self.colour,
            contrast=self.colour,
            saturation=self.colour,
            rotation=self.rotation,
            elastic=self.elastic,
            blur=(0.0, self.blur),
        )
