"""A bar on the terminal while a command works; nothing where nobody looks."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count


@contextmanager
def progress(description: str) -> Iterator[Callable[[float, int], None]]:
    """A function to call with how many of how many are done; fractions count."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def each_image(description: str, images: int) -> Iterator[Callable[..., None]]:
    """A function to call after each of so many images, with whatever an evaluation tells of it."""
    with progress(description) as show:
        show(0, images)
        done = count(1)
        yield lambda *_: show(next(done), images)


@contextmanager
def fitting_progress() -> Iterator[Callable[[str, int, int, float], None]]:
    """A function to call with what is done, how many of how many, and the best mean IoU so far (nan for none)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def watch(what: str, done: int, total: int, best: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            reached = "" if math.isnan(best) else f", mean IoU {best:.4f}"
            bar.update(tasks[what], completed=done, total=total, description=what + reached)

        yield watch
