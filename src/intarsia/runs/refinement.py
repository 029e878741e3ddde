"""What a run does to its network's answers: the dense CRF's settings, and how they were chosen."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, RunError
from intarsia.files import write_text
from intarsia.validation import first_mistake

MOST_CLASSES = 255
SETTINGS = tuple(field.name for field in fields(CRFSettings))
_OFFERED = tuple(name for name in SETTINGS if name != "compatibility")  # those that one value gives


@dataclass(frozen=True)
class Fit:
    """How settings were chosen, and what they were worth.

    Attributes:
        data: the set, and ``split`` its part.
        images: fingerprints of the images whose scores chose the settings.
        fitted: mean IoU of these images before and after.
        held_out: of other images of the split, by which the settings were accepted.
        scores: mean IoU of the first images for each settings that were tried, in order.
        seconds: that the search took, without the network.
    """

    data: str
    split: str
    images: tuple[str, ...]
    fitted: tuple[float, float]
    held_out: tuple[float, float]
    scores: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Refinement:
    """Settings of the dense CRF behind a network, and their fit unless they were set by hand."""

    settings: CRFSettings
    fit: Fit | None = None

    @property
    def protocol(self) -> str:
        """What it does, in one sentence; it is printed beside the scores."""
        s = self.settings
        if self.fit is None:
            chosen = "set by hand"
        else:
            count = len(self.fit.images)
            chosen = f"chosen on {count} image{'s' * (count != 1)} of {self.fit.data}"
        return (
            f"Refined by a dense CRF of {s.iterations} iterations: smoothness {s.smoothness_weight:.3g} at "
            f"{s.smoothness_sxy:.3g} pixels, appearance {s.appearance_weight:.3g} at {s.appearance_sxy:.3g} pixels and "
            f"{s.appearance_srgb:.3g} levels, {chosen}."
        )

    def check_classes(self, classes: int, path: Path) -> None:
        """Whether the CRF can be asked of so many classes.

        Raises:
            RunError: they are too many, or the compatibility is of another number.
        """
        matrix = self.settings.compatibility
        if matrix is not None and len(matrix) != classes:
            wrong = f"has a `compatibility` of {len(matrix)} classes, but the run has {classes}: mend it"
        elif classes > MOST_CLASSES:
            wrong = f"is for at most {MOST_CLASSES} classes, but the run has {classes}: train fewer"
        else:
            return
        raise RunError(f"`{path}` {wrong}, or drop it by `intarsia refine {path.parent} --remove`.")

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Refinement":
        """Read back what :meth:`write` wrote.

        Raises:
            RunError: the file is damaged, or a setting is unknown or breaks a rule.
        """
        try:
            values = _FILE.validate_python(json.loads(path.read_text(encoding="utf-8")))
            if values.get("settings") is None:
                raise ArgumentError("`settings` are missing")
            return cls(make_settings(values["settings"] or {}), _FIT.validate_python(values.get("fit")))
        except ValueError as error:  # no JSON, no UTF-8, another type, or an ArgumentError
            raise RunError(
                f"`{path}` is damaged ({first_mistake(error).rstrip('.')}): mend it, make another by `intarsia refine "
                f"{path.parent} DATA --fit`, or drop it by `--remove`."
            ) from error


_FILE = TypeAdapter(dict[str, dict[str, Any] | None])
_FIT = TypeAdapter(Fit | None)
_SETTINGS = TypeAdapter(CRFSettings)


def make_settings(values: Mapping[str, Any], base: CRFSettings | None = None) -> CRFSettings:
    """Settings by name, the others as in ``base`` or the usual ones.

    Raises:
        ArgumentError: a name is unknown, or a value breaks a rule.

    >>> make_settings({"appearance_weight": "5"}).appearance_weight
    5.0
    """
    for name in values:
        if name not in SETTINGS:
            raise ArgumentError(f"The dense CRF has no setting `{name}`; it has {', '.join(_OFFERED)}.")
    if isinstance(matrix := values.get("compatibility"), str):
        raise ArgumentError(
            f"`compatibility` (={matrix}) is a matrix, which no single value gives: write its rows of numbers into a "
            "run's refinement.json, or pass them to intarsia.dense_crf."
        )
    whole = asdict(base or CRFSettings()) | dict(values)
    try:
        return _SETTINGS.validate_python(whole)
    except ValidationError as error:
        rule = error.errors()[0]
        cause = rule.get("ctx", {}).get("error")
        raise ArgumentError(str(cause) if cause is not None else first_mistake(error)) from error
