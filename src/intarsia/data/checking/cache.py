"""Facts of files that were measured before, kept by the content of the files, one small file a dataset."""

import os
import sys
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from intarsia.files import write_text

VERSION = 1  # of what is measured: another one makes all that is kept worthless

Facts = TypeVar("Facts")


def folder() -> Path:
    """Where a user's caches lie: INTARSIA_CACHE, or the system's place for them; an empty variable is none.

    Raises:
        OSError: the user has no home.
    """
    if own := os.environ.get("INTARSIA_CACHE"):
        return Path(own)
    on_windows = sys.platform == "win32"
    if place := os.environ.get("LOCALAPPDATA" if on_windows else "XDG_CACHE_HOME"):
        return Path(place) / "intarsia"
    try:
        home = Path.home()
    except RuntimeError as error:  # an account that only a number names, as in a container
        raise FileNotFoundError("no home") from error
    return home / ("intarsia" if on_windows else ".cache/intarsia")


def read_facts(root: Path, kind: type[Facts]) -> dict[str, Facts]:
    """What is kept of one kind for a dataset's folder; nothing, if nothing is or it cannot be read."""
    try:
        version, facts = _format(kind).validate_json(_place(root, kind).read_bytes())
    except (OSError, ValidationError):
        return {}
    return facts if version == VERSION else {}


def write_facts(root: Path, facts: Mapping[str, Facts], kind: type[Facts]) -> None:
    """Keep facts by the digests of each sample's files; where that is impossible, the next check takes its time."""
    try:
        write_text(_place(root, kind), _format(kind).dump_json((VERSION, dict(facts))).decode())
    except OSError:
        return


@cache
def _format(kind: type) -> TypeAdapter:
    return TypeAdapter(tuple[int, dict[str, kind]])  # pyright: ignore[reportInvalidTypeForm]


def _place(root: Path, kind: type) -> Path:
    name = blake2b(str(root.resolve()).encode(errors="surrogateescape"), digest_size=12).hexdigest()
    return folder() / "check" / f"{name}-{kind.__name__}.json"
