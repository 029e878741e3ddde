"""What a network was built from: enough to build it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Blueprint:
    """The arguments of :func:`intarsia.create_model` but for the first weights."""

    model: str
    backbone: str
    classes: int
    output_stride: int
    in_channels: int = 3
    form: str = "paper"
    auxiliary: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    refiner: str | None = None
    refiner_options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "".join(f", {name}={value}" for name, value in self.options.items())
        return (
            f"{self.model} on {self.backbone} at output stride {self.output_stride}, {self.classes} classes, "
            f"form {self.form}{options}{', auxiliary' if self.auxiliary else ''}"
            f"{f', refined by {self.refiner}' if self.refiner else ''}"
        )
