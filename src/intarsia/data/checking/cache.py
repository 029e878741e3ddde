"""Facts of files that were measured before, kept by the content of the files, one small file a dataset."""

import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intarsia.data.checking.facts import PairFacts
from intarsia.files import write_text

VERSION = 1  # of what is measured: another one makes all that is kept worthless

_FORMAT = TypeAdapter(tuple[int, dict[str, PairFacts]])


def folder() -> Path:
    """Where a user's caches lie: INTARSIA_CACHE, or the system's place for them."""
    if "INTARSIA_CACHE" in os.environ:
        return Path(os.environ["INTARSIA_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "intarsia"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "intarsia"


def read_facts(root: Path) -> dict[str, PairFacts]:
    """What is kept for a dataset's folder; nothing, if nothing is or it cannot be read."""
    try:
        version, facts = _FORMAT.validate_json(_place(root).read_bytes())
    except (OSError, ValidationError):
        return {}
    return facts if version == VERSION else {}


def write_facts(root: Path, facts: Mapping[str, PairFacts]) -> None:
    """Keep facts by the digests of image and mask; where that is impossible, the next check takes its time again."""
    try:
        write_text(_place(root), _FORMAT.dump_json((VERSION, dict(facts))).decode())
    except OSError:
        return


def _place(root: Path) -> Path:
    name = blake2b(str(root.resolve()).encode(errors="surrogateescape"), digest_size=12).hexdigest()
    return folder() / "check" / f"{name}.json"
