"""What all parts of the settings share: they are frozen, know their fields only, and take options as text."""

import json
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel, BeforeValidator, ConfigDict

SELDOM = Parameter(group="Seldom needed")  # a paragraph of its own in `intarsia train --help`


class Section(BaseModel):
    """Settings of one subject."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _read_options(options: object) -> object:
    """Values from the command line are text: ``12,24,36`` means three numbers, ``12,`` one, and nothing none."""
    if not isinstance(options, dict):
        return options
    return {_read_name(name): _read_option(value) for name, value in options.items()}


def _read_name(name: object) -> object:
    """``label-smoothing``, as other options are typed, is ``label_smoothing``."""
    return name.replace("-", "_") if isinstance(name, str) else name


def _read_option(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return _read_options(value)
    if not isinstance(value, str):
        return value
    if not value:
        return ()
    try:
        return tuple(json.loads(f"[{value.rstrip(',')}]")) if "," in value else json.loads(value)
    except ValueError:
        return value


def read_list(given: object) -> object:
    """A text with commas is a list, and so are several, as the command line gives them: ``a,b`` and ``c``."""
    if isinstance(given, list | tuple) and all(isinstance(part, str) for part in given):
        given = ",".join(given)
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


Options = Annotated[dict[str, Any], BeforeValidator(_read_options)]
"""Values by name, from Python or from text."""
