"""The recipe of a run: everything that was decided before training, frozen, validated and dumped with the run."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from intarsia.data.augmentation.strengths import Augmentation
from intarsia.data.decoding import MAX_PIXELS
from intarsia.errors import ArgumentError, RunError
from intarsia.files import write_text
from intarsia.runs.loss_names import check_loss, checked_loss_options
from intarsia.validation import first_mistake

LEARNING_RATES = {"adamw": 1e-3, "sgd": 1e-2}
WEIGHT_DECAYS = {"adamw": 1e-2, "sgd": 1e-4}

REFINERS = {"crf": "a CRF", "spn": "an SPN", "cspn": "a CSPN"}  # for sentences

SELDOM = Parameter(group="Seldom needed")  # a paragraph of its own in `intarsia train --help`


class Settings(BaseModel):
    """How to train, whatever the data. Every default works."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Annotated[Literal["segmentation", "classification"], SELDOM] = Field(
        default="segmentation",
        description="classification trains the backbone alone, on folders of pictures of one class each.",
    )
    model: str = Field(default="deeplabv3plus", description="A name that `intarsia models` lists.")
    backbone: str = Field(
        default="tf_efficientnet_lite0", description="A name that `intarsia models --backbones` lists."
    )
    output_stride: int | None = Field(default=None, description="8, 16 or 32; by default the model's own.")
    form: Annotated[str, SELDOM] = Field(default="paper", description="A published variant of the model.")
    options: Annotated[dict[str, Any], SELDOM] = Field(
        default_factory=dict, description="Single fields of the form, replaced, such as --options.rates 12,24,36."
    )
    auxiliary: bool = Field(default=False, description="Train with the model's auxiliary heads as well.")
    refiner: Literal["crf", "spn", "cspn"] | None = Field(
        default=None,
        description="What stands behind the model and is trained with it: a dense CRF (crf), propagation along rows "
        "and columns (spn) or diffusion (cspn), the latter two along affinities that are read from the image.",
    )
    refiner_options: Annotated[dict[str, Any], SELDOM] = Field(
        default_factory=dict,
        description="Of the refiner, such as --refiner-options.steps 24 for cspn; docs/learned_affinity.md lists them.",
    )
    pretrained: bool | Literal["auto", "offline"] = Field(
        default="auto", description="Where the backbone's weights come from."
    )
    backbone_weights: Annotated[str | None, SELDOM] = Field(
        default=None, description="A file with weights of one's own for the backbone."
    )
    weights: str | None = Field(
        default=None, description="Start from a run, or from a file of weights: all tensors that fit are taken."
    )
    train: Literal["all", "refiner"] = Field(
        default="all", description="refiner: the network stays as --weights brought it, and its refiner learns."
    )

    epochs: int = Field(default=20, ge=1, description="Passes over the training images.")
    batch_size: int = Field(default=8, ge=1, description="Images a step.")
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

    loss: str = Field(
        default="cross_entropy",
        description="cross_entropy, border_weighted (U-Net's: the ground between two things counts more) or ohem (the "
        "hard pixels only, as in BiSeNet's code), or a sum: cross_entropy+aaf also compares neighbours (adaptive "
        "affinity fields).",
    )
    loss_options: Annotated[dict[str, Any], SELDOM] = Field(
        default_factory=dict, description="Of aaf: stride, sizes, margin, weight, such as --loss-options.stride 2."
    )
    optimiser: Literal["adamw", "sgd"] = Field(default="adamw", description="SGD has momentum 0.9.")
    learning_rate: float | None = Field(default=None, gt=0, description="By default 1e-3 for AdamW, 1e-2 for SGD.")
    weight_decay: float | None = Field(default=None, ge=0, description="By default 1e-2 for AdamW, 1e-4 for SGD.")
    power: Annotated[float, SELDOM] = Field(
        default=0.9, ge=0, description="Of the polynomial decay of the learning rate, per step."
    )

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

    @field_validator("options", "refiner_options", "loss_options", mode="before")
    @classmethod
    def _read_options(cls, options: object) -> object:
        """Values from the command line are text: ``12,24,36`` means three numbers, ``12,`` one, and nothing none."""
        if not isinstance(options, dict):
            return options
        return {name: _read_option(value) for name, value in options.items()}

    @field_validator("loss")
    @classmethod
    def _check_loss(cls, loss: str) -> str:
        check_loss(loss)
        return loss

    @field_validator("loss_options")
    @classmethod
    def _check_loss_options(cls, options: dict[str, Any], fields: Any) -> dict[str, Any]:
        """If the loss itself was refused, that is said."""
        return checked_loss_options(fields.data["loss"], options) if "loss" in fields.data else options

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

    @property
    def base_learning_rate(self) -> float:
        """The learning rate at the first step."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay in force."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay


class Recipe(Settings):
    """Settings and the data they are for: everything that is decided before training.

    >>> Recipe(data="photos/", epochs=5, options={"rates": "12,24,36"}).options
    {'rates': (12, 24, 36)}
    """

    data: str = Field(description="Folder of pictures and masks, or a built-in set such as sample:materials.")

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read back what :meth:`write` wrote."""
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"There is no recipe `{path}`; give the path of a recipe.json.") from None
        except (ValueError, ValidationError) as error:
            raise RunError(f"`{path}` is not a recipe: {first_mistake(error)}") from error


def make_recipe(**values: Any) -> Recipe:
    """A recipe, or one clear sentence about the first value that breaks a rule.

    >>> make_recipe(data="photos/", epochs=0)
    Traceback (most recent call last):
    intarsia.errors.ArgumentError: `epochs` (=0): input should be greater than or equal to 1.
    """
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise ArgumentError(first_mistake(error)) from error


def _read_option(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    if not value:
        return ()
    try:
        return tuple(json.loads(f"[{value.rstrip(',')}]")) if "," in value else json.loads(value)
    except ValueError:
        return value
