"""What all benches share: where they keep what, how many trainings at a time, and how the page's command reads."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from shlex import join

from PIL import Image

from intarsia.ablations.workers import Say
from intarsia.errors import ArgumentError, RunError
from intarsia.files import atomic
from intarsia.shapes import RGBImage

RUNS = Path("runs/claims")


@dataclass(frozen=True)
class Bench:
    """Trains with several seeds each what is to be compared, and writes a page of what came out.

    Attributes:
        runs: where trainings and results are kept; what is finished there is not repeated.
        processes: how many trainings at a time, each with one thread.
        say: takes a line of progress.

    Raises:
        ArgumentError: less than one process.
    """

    runs: Path
    processes: int = 2
    say: Say = print

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise ArgumentError(f"`processes` (={self.processes}) must be at least 1; 2 suit two cores.")

    def command(self, what: str, out: Path, only: Collection[str] = ()) -> str:
        """What makes the same page again from the same results."""
        kept = [] if self.runs == RUNS else ["--runs", str(self.runs)]
        return join(["intarsia", "bench", what, *(["--only", *only] if only else []), "--out", str(out), *kept])


def write_picture(path: Path, picture: RGBImage) -> None:
    """As PNG, whole or not at all."""
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", optimize=True)


def check_places(runs: Path, out: Path) -> None:
    """Whether both can be written to.

    Raises:
        RunError: one cannot.
    """
    for folder in (runs, out.parent):
        _check_writable(folder)
    if out.is_dir():
        raise RunError(f"`{out}` is a folder; name a file in it for --out, such as {out / 'page.md'}.")


def _check_writable(folder: Path) -> None:
    """Before hours of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise RunError(f"`{folder}` is no folder that can be written to; choose another --runs or --out.")
