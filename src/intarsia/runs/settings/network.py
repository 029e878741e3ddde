"""Which network is trained, and from which weights."""

from typing import Annotated, Literal

from pydantic import Field

from intarsia.runs.settings.section import SELDOM, Options, Section

REFINERS = {"crf": "a CRF", "spn": "an SPN", "cspn": "a CSPN"}  # for sentences


class NetworkSettings(Section):
    """The network, and where its weights come from."""

    model: str = Field(default="deeplabv3plus", description="A name that `intarsia models` lists.")
    backbone: str = Field(
        default="tf_efficientnet_lite0", description="A name that `intarsia models --backbones` lists."
    )
    output_stride: int | None = Field(default=None, description="8, 16 or 32; by default the model's own.")
    form: Annotated[str, SELDOM] = Field(default="paper", description="A published variant of the model.")
    options: Annotated[Options, SELDOM] = Field(
        default_factory=dict, description="Single fields of the form, replaced, such as --options.rates 12,24,36."
    )
    auxiliary: bool = Field(default=False, description="Train with the model's auxiliary heads as well.")
    refiner: Literal["crf", "spn", "cspn"] | None = Field(
        default=None,
        description="What stands behind the model and is trained with it: a dense CRF (crf), propagation along rows "
        "and columns (spn) or diffusion (cspn), the latter two along affinities that are read from the image.",
    )
    refiner_options: Annotated[Options, SELDOM] = Field(
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
