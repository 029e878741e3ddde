"""Settings as they are typed on the command line."""

from collections.abc import Mapping
from typing import Any

NESTED = ("options", "refiner_options", "loss_options")
PAIRS = ("scale",)  # of numbers, in words of their own


def typed(values: Mapping[str, Any]) -> list[str]:
    """Words that `intarsia train` reads as these fields of a recipe; stages cannot be typed, and are left out.

    >>> typed({"model": "unet", "scale": (1.0, 1.5), "auxiliary": False, "options": {"rates": (1, 2)}})
    ['--model', 'unet', '--scale', '1', '1.5', '--no-auxiliary', '--options.rates', '1,2']
    """
    words: list[str] = []
    for name, value in values.items():
        if name in NESTED:
            for option, leaf in _leaves(value, name):
                words += [_flag(option), _text(leaf)]
        elif isinstance(value, bool):
            words.append(_flag(name if value else f"no_{name}"))
        elif name != "stages":
            words += [_flag(name), *(map(_text, value) if name in PAIRS else [_text(value)])]
    return words


def _leaves(options: Mapping[str, Any], within: str) -> list[tuple[str, Any]]:
    """Options of losses stand below the loss's name."""
    leaves: list[tuple[str, Any]] = []
    for name, value in options.items():
        place = f"{within}.{name}"
        leaves += _leaves(value, place) if isinstance(value, Mapping) else [(place, value)]
    return leaves


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _text(value: object) -> str:
    """Of one option, as the command line reads it: rates ``1,2,3``, a single one ``2,``, and none as nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(number)}" for name, number in value.items())
    if isinstance(value, tuple):
        return ",".join(map(_text, value)) + ("," if len(value) == 1 else "")
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)
