"""What a training knows of rare classes before its first step, kept with the run: a resumed one has the same."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intarsia.errors import RunError
from intarsia.files import write_text
from intarsia.validation import first_mistake


@dataclass(frozen=True)
class Balance:
    """Numbers that a recipe's rules gave for the training images.

    Attributes:
        class_weights: of the loss, by the class's name; none for no weights.
        hard_classes: the names of the classes whose images are seen twice as often.
        image_weights: of the training images, in their order; none if all are seen equally often.
        in_every_image: the hard classes that each training image holds, so that none is seen more often.
        in_no_image: the hard classes that no training image holds.
    """

    class_weights: dict[str, float] | None = None
    hard_classes: tuple[str, ...] = ()
    image_weights: tuple[float, ...] | None = None
    in_every_image: tuple[str, ...] = ()
    in_no_image: tuple[str, ...] = ()

    def text(self) -> str | None:
        """Sentences of the class weights and the hard classes; None without them."""
        parts = []
        if self.class_weights is not None:
            parts.append("Class weights: " + ", ".join(f"{name} {w:.3g}" for name, w in self.class_weights.items()))
        if self.in_every_image:
            hard, common = (", ".join(names) for names in (self.hard_classes, self.in_every_image))
            parts.append(f"Hard classes are {hard}, but every image holds {common}, so that none is seen more often")
        elif self.hard_classes:
            parts.append(f"Images with {', '.join(self.hard_classes)} are seen twice as often")
        if self.in_no_image:
            parts.append(f"No image holds {', '.join(self.in_no_image)}, which changes nothing")
        return ". ".join(parts) + "." if parts else None


def write_balances(path: Path, balances: tuple[Balance, ...]) -> None:
    """Write those of the stages so far as JSON, whole or not at all; nothing where nothing is balanced."""
    if any(balance != Balance() for balance in balances):
        write_text(path, json.dumps([asdict(balance) for balance in balances], indent=2) + "\n")


def read_balances(path: Path, stages: int) -> tuple[Balance, ...]:
    """Read back those of the first ``stages``; without a file nothing was balanced.

    Raises:
        RunError: the file is damaged.
    """
    try:
        return (*_BALANCES.validate_json(path.read_bytes()), *(Balance(),) * stages)[:stages]
    except FileNotFoundError:
        return (Balance(),) * stages
    except ValidationError as error:
        raise RunError(f"`{path}` is damaged: {first_mistake(error)} Train the run again.") from error


_BALANCES = TypeAdapter(tuple[Balance, ...])
