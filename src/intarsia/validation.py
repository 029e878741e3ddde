"""One sentence for what a validated object refuses."""

from pydantic import ValidationError


def first_mistake(error: ValueError) -> str:
    """The first broken rule of a validation error, as a sentence that names the value.

    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(dict[str, int]).validate_python({"epochs": "many"})
    ... except ValidationError as error:
    ...     first_mistake(error)
    "`epochs` (='many'): input should be a valid integer, unable to parse string as an integer."
    """
    if not isinstance(error, ValidationError):
        return str(error)
    mistake = error.errors()[0]
    name = _path(mistake["loc"])
    if mistake["type"] == "missing":
        return f"`{name}` is missing; it has no default."
    rule = mistake["msg"].removeprefix("Value error, ")
    return f"`{name}` (={mistake['input']!r}): {rule[0].lower()}{rule[1:]}."


def _path(loc: tuple[int | str, ...]) -> str:
    """Where a value stands, as one would write it in Python.

    >>> _path(("stages", 1, "output_stride"))
    'stages[1].output_stride'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
