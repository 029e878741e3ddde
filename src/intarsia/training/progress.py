"""What a person sees while a network trains."""

from types import TracebackType
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from intarsia.metrics import Scores


@runtime_checkable
class Reporter(Protocol):
    """What the loop tells: a sentence, a step, an epoch."""

    def say(self, sentence: str) -> None:
        """Something worth a line."""
        ...

    def step(self, step: int, steps: int, loss: float, learning_rate: float, images_per_second: float) -> None:
        """A step has been taken."""
        ...

    def epoch(self, epoch: int, epochs: int, loss: float, scores: Scores, is_best: bool) -> None:
        """An epoch has been validated."""
        ...


class Silent:
    """Tells nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def step(self, step: int, steps: int, loss: float, learning_rate: float, images_per_second: float) -> None:
        """Nothing."""

    def epoch(self, epoch: int, epochs: int, loss: float, scores: Scores, is_best: bool) -> None:
        """Nothing."""


class Live:
    """A moving bar on a terminal; on anything else one line an epoch."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  rate {task.fields[rate]:.1e}  {task.fields[speed]:.1f} images/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Live":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def say(self, sentence: str) -> None:
        """Print it above the bar."""
        self.console.print(sentence, markup=False, soft_wrap=True)

    def step(self, step: int, steps: int, loss: float, learning_rate: float, images_per_second: float) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self._bar.add_task("training", total=steps, loss=loss, rate=0.0, speed=0.0)
        self._bar.update(self._task, completed=step, loss=loss, rate=learning_rate, speed=images_per_second)

    def epoch(self, epoch: int, epochs: int, loss: float, scores: Scores, is_best: bool) -> None:
        """Print the epoch's line."""
        best = "  best so far" if is_best else ""
        line = f"epoch {epoch:>{len(str(epochs))}}/{epochs}  loss {loss:.4f}  mean IoU {scores.mean_iou:.4f}"
        self.say(f"{line}  pixel accuracy {scores.pixel_accuracy:.4f}{best}")
