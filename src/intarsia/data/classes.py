"""The classes of a dataset: names, colours, and how the mask files on disk spell them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8

from intarsia.data.colours import IGNORE_COLOUR, Colour, default_colour
from intarsia.errors import ArgumentError, DataError
from intarsia.shapes import IGNORE, IGNORE_UINT16

Encoding = Literal["index", "binary", "colour"]

MOST_UINT8_CLASSES = 254  # the vocabulary's limit: uint16 masks above it


@dataclass(frozen=True)
class Classes:
    """Names and colours of K classes.

    `encoding` says how mask files spell them: ``"index"``: a pixel is a class index (a palette is only for looking at);
    ``"binary"``: 0 and 255 mean class 0 and class 1; ``"colour"``: RGB, one of `colours`. It matters only for reading:
    masks in memory, and the masks that this package writes, always hold indices.

    Raises:
        ArgumentError: no class, an empty or repeated name, a colour that is not three integers 0 … 255, not as many
            colours as names, an unknown encoding, ``"binary"`` without exactly two classes, ``"colour"`` with a
            repeated colour.

    >>> classes = Classes(("sky", "road"), ((80, 160, 255), (90, 90, 90)))
    >>> classes.count, classes.ignore, classes.dtype
    (2, 255, dtype('uint8'))
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    encoding: Encoding = "index"

    def __post_init__(self) -> None:
        mistake = _mistake(self.names, self.colours, self.encoding)
        if mistake:
            raise ArgumentError(f"Classes: {mistake}.")

    @property
    def count(self) -> int:
        """K, the number of classes."""
        return len(self.names)

    @property
    def ignore(self) -> int:
        """The value of pixels that belong to no class: 255, or 65535 above 254 classes."""
        return IGNORE if self.count <= MOST_UINT8_CLASSES else IGNORE_UINT16

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of masks in memory: uint8, or uint16 above 254 classes."""
        return np.dtype(np.uint8 if self.count <= MOST_UINT8_CLASSES else np.uint16)

    def palette(self) -> UInt8[np.ndarray, "256 3"]:
        """The colours as a table for byte values: classes first, black for unused values, 255 (ignore) light grey."""
        table = np.zeros((256, 3), np.uint8)
        shown = min(self.count, 256)
        table[:shown] = self.colours[:shown]
        if self.count < 256:
            table[IGNORE] = IGNORE_COLOUR
        return table

    @classmethod
    def numbered(cls, count: int, unused: Collection[int] = (), colours: Sequence[Colour] = ()) -> "Classes":
        """`count` classes without names; those in `unused` keep their place; missing colours come from the formula.

        >>> Classes.numbered(3, unused=[1]).names
        ('class 0', 'unused 1', 'class 2')
        """
        names = tuple(f"unused {i}" if i in unused else f"class {i}" for i in range(count))
        return cls(names, (*colours[:count], *(default_colour(i) for i in range(len(colours), count))))

    def to_json(self) -> str:
        """The text of a `classes.json`: the encoding, then one class a line."""
        lines = [
            json.dumps({"name": name, "colour": list(colour)}, ensure_ascii=False)
            for name, colour in zip(self.names, self.colours, strict=True)
        ]
        body = ",\n    ".join(lines)
        return f'{{\n  "encoding": "{self.encoding}",\n  "classes": [\n    {body}\n  ]\n}}\n'

    @classmethod
    def from_json(cls, text: str, source: str = "classes.json") -> "Classes":
        """The classes in the text of a `classes.json`; without a stated encoding, ``"index"``.

        Raises:
            DataError: the text breaks a rule; `source` names the file in the sentence.

        >>> Classes.from_json('[{"name": "sky"}, {"name": "road", "colour": [90, 90, 90]}]').names
        ('sky', 'road')
        """
        classes, _ = parse_classes(text, source)
        return classes


def parse_classes(text: str, source: str) -> tuple[Classes, bool]:
    """The classes in a `classes.json`, and whether it states the encoding (otherwise the masks tell).

    The text is a list of ``{"name": …, "colour": [r, g, b]}``, or an object with that list under ``"classes"`` and the
    encoding under ``"encoding"``. A class without a colour gets one from the formula.

    Raises:
        DataError: the text is not such a list, or the classes break a rule.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"`{source}` is not JSON ({error}): mend it, or delete it to have the classes inferred."
        ) from None
    stated = isinstance(content, dict) and "encoding" in content
    entries = content.get("classes") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise DataError(f'`{source}` must hold a list of classes such as [{{"name": "road", "colour": [90, 90, 90]}}].')
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or "name" not in entry or not set(entry) <= {"name", "colour"}:
            raise DataError(
                f"`{source}`: class {place} (={entry!r}) must be an object with a `name` and, if you like, a `colour`."
            )
    names = tuple(entry["name"] for entry in entries)
    colours = tuple(
        tuple(colour) if isinstance(colour := entry.get("colour", default_colour(place)), list | tuple) else colour
        for place, entry in enumerate(entries)
    )
    encoding = content["encoding"] if stated else "index"
    mistake = _mistake(names, colours, encoding)
    if mistake:
        raise DataError(f"`{source}`: {mistake}.")
    return Classes(names, colours, encoding), stated


def _mistake(names: Sequence[Any], colours: Sequence[Any], encoding: Any) -> str | None:
    """The first rule that is broken, as the rest of a sentence."""
    if not 1 <= len(names) <= IGNORE_UINT16:
        return f"there must be 1 to {IGNORE_UINT16} classes, not {len(names)}"
    if len(names) != len(colours):
        return f"each class needs one colour, but there are {len(names)} names and {len(colours)} colours"
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            return f"the name of class {place} (={name!r}) must be a text that is not empty"
    twice = _first_repeated(names)
    if twice is not None:
        return f"the name `{names[twice]}` is used twice; every class needs its own"
    for name, colour in zip(names, colours, strict=True):
        if not _is_colour(colour):
            return f"the colour of `{name}` (={colour!r}) must be three integers from 0 to 255"
    if encoding not in get_args(Encoding):
        return f"the encoding (={encoding!r}) must be index, binary or colour"
    if encoding == "binary" and len(names) != 2:
        return f"the encoding binary (0 and 255) means two classes, but there are {len(names)}; use index"
    twice = _first_repeated(colours) if encoding == "colour" else None
    if twice is not None:
        return f"the colour {colours[twice]} is used twice; with the encoding colour every class needs its own"
    return None


def _is_colour(colour: Any) -> bool:
    return isinstance(colour, tuple) and len(colour) == 3 and all(type(c) is int and 0 <= c <= 255 for c in colour)


def _first_repeated(items: Sequence[Any]) -> int | None:
    seen = set()
    for place, item in enumerate(items):
        if item in seen:
            return place
        seen.add(item)
    return None
