"""What is done for rare and hard classes: in the loss, and in the choice of images and crops."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BeforeValidator, Field, field_validator

from intarsia.runs.settings.section import Section, read_list

RULES = ("inverse", "median_frequency", "effective_number")
RARITY = "rarity"

MUST_BE = f"must be {', '.join(RULES)}, or numbers such as 1,2,0.5 or person=2"
ONCE = "must name each class once, as in person=2,car=0.5"

ClassWeights = str | tuple[float, ...] | dict[str, float] | None


def _read_weights(given: object) -> object:
    """A rule; numbers in the classes' order, also as ``1,2,0.5``; or some by name, also as ``person=2,car=0.5``."""
    if given is None:
        return None
    if isinstance(given, str) and not any(sign in given for sign in ",="):
        if given not in RULES:
            near = get_close_matches(given, RULES, n=1, cutoff=0.4)
            raise ValueError(f"{MUST_BE}{f'; the nearest is {near[0]}' if near else ''}")
        return given
    if isinstance(given, str):
        parts = [part.rpartition("=") for part in given.split(",") if part.strip()]
        names, weights = [name.strip() for name, _, _ in parts], [weight for _, _, weight in parts]
        if "=" in given and len(set(names)) < len(names):
            raise ValueError(ONCE)
        given = dict(zip(names, weights, strict=True)) if "=" in given else weights
    if isinstance(given, Mapping) and "" in given:
        raise ValueError(ONCE)
    numbers = given.values() if isinstance(given, Mapping) else given
    try:
        numbers = [float(number) for number in numbers]  # pyright: ignore[reportGeneralTypeIssues]
    except (TypeError, ValueError):
        raise ValueError(MUST_BE) from None
    if not all(0 <= number < math.inf for number in numbers) or not any(numbers):
        raise ValueError("must be numbers from 0 on, one of them above 0")
    return dict(zip(given, numbers, strict=True)) if isinstance(given, Mapping) else tuple(numbers)


def _read_names(given: object) -> object:
    """``bicycle,chair`` is two classes; a class that is called Auto is ``Auto,``."""
    if isinstance(given, str) and given != "auto" and given.lower() == "auto":
        raise ValueError("must be auto in small letters, or names of classes such as bicycle,chair")
    return given if given == "auto" else read_list(given)


HardClasses = Annotated[Literal["auto"] | tuple[str, ...], BeforeValidator(_read_names)]
"""Names of classes, or the word that leaves them to an evaluation."""


class BalancingSettings(Section):
    """Weights of classes, and how often images are seen."""

    class_weights: Annotated[ClassWeights, BeforeValidator(_read_weights), Parameter(negative="")] = Field(
        default=None,
        description="What the classes weigh in the loss: inverse, median_frequency or effective_number (by the "
        "training set), or numbers: 1,2,0.5 for all classes, or person=2 for some, others 1.",
    )
    hard_classes: Annotated[HardClasses, Parameter(negative="")] = Field(
        default=(),
        description="Images with one of these classes, such as bicycle,chair, are seen twice as often (DeepLab v3); "
        "auto: the quarter that the run given by --weights, or the stage before, did worst.",
    )
    image_weights: str | None = Field(
        default=None,
        description="How often each image is seen: rarity, by its rarest class, or a file of lines `name weight`.",
    )
    class_crops: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of crops that are drawn around a pixel of a class drawn evenly from the image's.",
    )

    @field_validator("image_weights")
    @classmethod
    def _check_image_weights(cls, weights: str | None) -> str | None:
        if weights == "":
            raise ValueError("must be rarity, or the path of a file")
        return weights
