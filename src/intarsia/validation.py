"""Sentences for what a validated object refuses: the path of each value, the value, the rule, the nearest choice."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

Place = tuple[int | str, ...]

_SPELT_AS_TEXT = {"bool_type": ("true", "false"), "bool_parsing": ("true", "false")}


def first_mistake(error: ValueError, model: type[BaseModel] | None = None) -> str:
    """The first broken rule of a validation error, as a sentence that names the value.

    `model` is what refused: with it, names that it does not have are answered by the nearest that it has.

    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(dict[str, int]).validate_python({"epochs": "many"})
    ... except ValidationError as error:
    ...     first_mistake(error)
    "`epochs` (='many'): input should be a valid integer, unable to parse string as an integer."
    """
    return next(_sentences(error, model, ())) if isinstance(error, ValidationError) else str(error)


def all_mistakes(error: ValueError, model: type[BaseModel], within: Place = ()) -> str:
    """The same for each value that breaks a rule; `within` is the place of the whole in its file.

    >>> from typing import Literal
    >>> class Plan(BaseModel, extra="forbid"):
    ...     optimiser: Literal["adamw", "sgd"] = "adamw"
    >>> try:
    ...     Plan.model_validate({"optimiser": "adam", "optimizer": 1})
    ... except ValidationError as error:
    ...     print(all_mistakes(error, Plan))
    `optimiser` (='adam'): input should be 'adamw' or 'sgd'; ... there is no such field; the nearest is `optimiser`.
    """
    return " ".join(_sentences(error, model, within)) if isinstance(error, ValidationError) else str(error)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant: one that goes on like it, whose initials it is, or that is spelt like it.

    >>> names = ("crop_size", "learning_rate", "optimiser", "drops")
    >>> [nearest(name, names) for name in ("crop", "lr", "optimizer", "Crop-Size", "loss")]
    ['crop_size', 'learning_rate', 'optimiser', 'crop_size', None]
    """
    spelt, names = name.replace("-", "_").lower(), sorted(known, key=len)
    if spelt in names:
        return spelt
    for other in names:
        if spelt and (f"_{other}_".find(f"_{spelt}_") >= 0 or "".join(part[:1] for part in other.split("_")) == spelt):
            return other
    close = get_close_matches(spelt, names, n=1, cutoff=0.6)
    return close[0] if close else next((other for other in names if len(spelt) > 2 and other.startswith(spelt)), None)


def _sentences(error: ValidationError, model: type[BaseModel] | None, within: Place) -> Iterator[str]:
    """One sentence a value; the alternatives of a union, each of which refused it, are one rule."""
    refused: dict[Place, list[Any]] = {}
    known: dict[Place, Sequence[str]] = {}
    for mistake in error.errors():
        place, names = _resolved(model, mistake["loc"])
        refused.setdefault(place, []).append(mistake)
        known[place] = names
    for place, mistakes in refused.items():
        yield _sentence(_path((*within, *place)), mistakes, known[place])


def _sentence(name: str, mistakes: Sequence[Mapping[str, Any]], known: Sequence[str]) -> str:
    mistake = mistakes[0]
    if mistake["type"] == "missing":
        return f"`{name}` is missing; it has no default."
    value = f"`{name}` (={mistake['input']!r}): " if name else ""
    if mistake["type"] == "extra_forbidden" and known:
        return f"{value}there is no such field{_offer(nearest(str(mistake['loc'][-1]), known), '`')}."
    choices = [choice for each in mistakes for choice in _choices(each)]
    rule = mistake["msg"].removeprefix("Value error, ")
    if len(mistakes) > 1:
        *most, last = (way for each in mistakes for way in _choices(each) or (_rule(each),))
        rule = f"input should be {', '.join(most)} or {last}"
    rule = f"{rule[0].lower()}{rule[1:]}" if name else rule
    return f"{value}{rule.removesuffix('.')}{_offer(_nearest_value(mistake, choices))}."


def _rule(mistake: Mapping[str, Any]) -> str:
    """What one alternative of several asks for."""
    return mistake["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _choices(mistake: Mapping[str, Any]) -> Sequence[str]:
    """What a value may be, as it is written; nothing where that cannot be listed."""
    if mistake["type"] in _SPELT_AS_TEXT:
        return _SPELT_AS_TEXT[mistake["type"]]
    if mistake["type"] != "literal_error":
        return ()
    return re.findall(r"'[^']*'|[^\s,']+", mistake["ctx"]["expected"].replace(" or ", ", "))


def _nearest_value(mistake: Mapping[str, Any], choices: Sequence[str]) -> str | None:
    """The choice or the limit next to what was given; open limits have none."""
    given, limits = mistake["input"], mistake.get("ctx", {})
    if choices:
        return _nearest_choice(str(given), choices)
    if mistake["type"] == "int_from_float":
        return str(round(given))
    return next((f"{limits[limit]:g}" for limit in ("ge", "le") if limit in limits), None)


def _nearest_choice(given: str, choices: Sequence[str]) -> str | None:
    plain = {choice.strip("'"): choice for choice in choices}
    try:
        return min(choices, key=lambda choice: abs(float(choice) - float(given)))
    except ValueError:  # one of them is no number
        name = nearest(given, plain)
        return None if name is None else plain[name]


def _offer(choice: str | None, quote: str = "") -> str:
    return "" if choice is None else f"; the nearest is {quote}{choice}{quote}"


def _resolved(model: type[BaseModel] | None, place: Place) -> tuple[Place, Sequence[str]]:
    """The place without the alternatives of a union, and the names that its last part was to be chosen from."""
    if model is None:
        return place, ()
    path: list[int | str] = []
    fields, free = dict(model.model_fields), False
    names = tuple(fields)
    for part in place:
        if isinstance(part, str) and not fields and not free:
            break
        path.append(part)
        if isinstance(part, str):
            names = tuple(fields)
            annotation = fields[part].annotation if part in fields else None
            inner = next((kind for kind in _kinds(annotation) if _is_model(kind)), None)
            free = free or any(get_origin(kind) is dict for kind in _kinds(annotation))
            fields = dict(inner.model_fields) if inner is not None else {}
    return tuple(path), names


def _kinds(annotation: Any) -> Iterator[Any]:
    """A type and all that stand within it."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _path(place: Place) -> str:
    """Where a value stands, as one would write it in Python.

    >>> _path(("stages", 1, "output_stride"))
    'stages[1].output_stride'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
