"""Types of the options that forms share; forms are validated when they are made."""

from typing import Annotated

from pydantic import Field

Probability = Annotated[float, Field(ge=0, lt=1)]
