"""Whose folder it is: what a new run may write into, what a resumed run goes on from, and one training at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from intarsia.errors import RunError
from intarsia.files import clear_partial_files, is_partial
from intarsia.runs import Recipe, Run

LOCK = ".lock"
CHANGES_NO_BIT = ("workers", "checkpointing")  # may differ when a run is resumed


def folder_for(recipe: Recipe, out: str | Path | None) -> Path:
    """The folder that was asked for, or one named like the data in runs/."""
    return Path("runs", Path(recipe.data.rpartition(":")[2]).resolve().name) if out is None else Path(out).expanduser()


def admit(recipe: Recipe, run: Run, resume: bool) -> Recipe:
    """The recipe to train by: the given one in a free folder, or the saved one of the run that is resumed.

    A folder is free if it is missing or empty, or holds a run that was stopped before its first checkpoint.
    Raises ``RunError`` for any other folder, and where there is nothing to resume or the recipe is another one.
    """
    return _saved(recipe, run) if resume else _fresh(recipe, run)


@contextmanager
def held(run: Run) -> Iterator[None]:
    """Hold the folder for one training; the lock ends with the process, however it ends."""
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"Another training is writing to `{run.folder}`; choose another --out or wait for it.") from None
    try:
        clear_partial_files(run.folder)
        yield
    finally:
        lock.release()


def _fresh(recipe: Recipe, run: Run) -> Recipe:
    if run.checkpoint_path.exists():
        raise RunError(f"`{run.folder}` already holds a run; choose another --out, or go on with --resume.")
    if run.weights_path.exists() or run.history():
        raise RunError(f"`{run.folder}` already holds a run, without its checkpoint; choose another --out.")
    if run.folder.exists() and not run.folder.is_dir():
        raise RunError(f"`{run.folder}` is a file; choose another --out for the run's folder.")
    held_so_far = run.folder.iterdir() if run.folder.is_dir() else ()
    strangers = any(path.name != LOCK and not is_partial(path) for path in held_so_far)
    if strangers and not run.recipe_path.exists():
        raise RunError(f"`{run.folder}` is not empty and not a run; choose another --out, nothing is overwritten.")
    return recipe


def _saved(recipe: Recipe, run: Run) -> Recipe:
    if not run.recipe_path.exists():
        raise RunError(f"`{run.folder}` holds nothing to resume: no run was begun there. Train without --resume.")
    if run.weights_path.exists() and not run.checkpoint_path.exists():
        raise RunError(f"`{run.checkpoint_path}` is missing, so that the run cannot go on; choose another --out.")
    saved = Recipe.read(run.recipe_path)
    for name in sorted(recipe.model_fields_set.difference(CHANGES_NO_BIT)):
        given, kept = getattr(recipe, name), getattr(saved, name)
        if given != kept and not (name == "data" and _same_folder(given, kept)):
            raise RunError(
                f"The run in `{run.folder}` was begun with {name}={kept!r}, not {given!r}; a run resumes under its own "
                "recipe, so leave that out or start anew."
            )
    changed = recipe.model_fields_set.intersection(CHANGES_NO_BIT)
    return saved.model_copy(update={name: getattr(recipe, name) for name in changed})


def _same_folder(one: str, other: str) -> bool:
    return Path(one).exists() and Path(one).resolve() == Path(other).resolve()
