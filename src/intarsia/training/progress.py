"""What a training tells, and a person sees, while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

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

from intarsia.training.waiting import percent

SPELT = {"mean_iou": "mean IoU", "rmse": "RMSE", "mae": "MAE", "rel": "REL"}  # where a name is no plain word


@dataclass(frozen=True)
class StepReport:
    """A step that was taken: ``loss`` is its own, ``mean_loss`` that of the epoch so far.

    ``waited`` is the share of the epoch's time so far that passed while batches were fetched.
    """

    step: int
    steps: int
    loss: float
    mean_loss: float
    learning_rate: float
    images_per_second: float
    waited: float


@dataclass(frozen=True)
class EpochReport:
    """An epoch that was validated; ``step`` is its last, ``picture`` a file of validation images.

    ``figures`` are scores by name; those of single classes are mappings. ``waited`` is as of steps.
    """

    epoch: int
    epochs: int
    step: int
    loss: float
    figures: Mapping[str, Any]
    is_best: bool
    picture: Path
    waited: float


@runtime_checkable
class Reporter(Protocol):
    """What the loop tells: a sentence, a step, an epoch."""

    def say(self, sentence: str) -> None:
        """Something worth a line."""
        ...

    def checked(self, done: int, total: int) -> None:
        """So many of all images have been looked at before training."""
        ...

    def step(self, report: StepReport) -> None:
        """A step has been taken."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """An epoch has been validated."""
        ...


class Silent:
    """Tells nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def checked(self, done: int, total: int) -> None:
        """Nothing."""

    def step(self, report: StepReport) -> None:
        """Nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Together:
    """Tells several."""

    reporters: tuple[Reporter, ...]

    def say(self, sentence: str) -> None:
        """To each."""
        for reporter in self.reporters:
            reporter.say(sentence)

    def checked(self, done: int, total: int) -> None:
        """To each."""
        for reporter in self.reporters:
            reporter.checked(done, total)

    def step(self, report: StepReport) -> None:
        """To each."""
        for reporter in self.reporters:
            reporter.step(report)

    def epoch(self, report: EpochReport) -> None:
        """To each."""
        for reporter in self.reporters:
            reporter.epoch(report)


class Live:
    """A moving bar on a terminal; on anything else one line an epoch."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
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

    def checked(self, done: int, total: int) -> None:
        """Move the bar, which goes when all is done."""
        if self._task is None:
            self._task = self._bar.add_task("checking", total=total, figures="")
        self._bar.update(self._task, completed=done)
        if done == total:
            self._bar.remove_task(self._task)
            self._task = None

    def step(self, report: StepReport) -> None:
        """Move the bar."""
        rate, speed = report.learning_rate, report.images_per_second
        figures = f"loss {report.mean_loss:.3f}  rate {rate:.1e}  {speed:.1f} images/s  waited {percent(report.waited)}"
        if self._task is None:
            self._task = self._bar.add_task("training", total=report.steps, figures=figures)
        self._bar.update(self._task, completed=report.step, figures=figures)

    def epoch(self, report: EpochReport) -> None:
        """Print the epoch's line."""
        best = "  best so far" if report.is_best else ""
        count = f"epoch {report.epoch:>{len(str(report.epochs))}}/{report.epochs}"
        single = {name: value for name, value in report.figures.items() if isinstance(value, float)}
        scores = "  ".join(f"{SPELT.get(name, name.replace('_', ' '))} {value:.4f}" for name, value in single.items())
        self.say(f"{count}  loss {report.loss:.4f}  {scores}  waited {percent(report.waited)}{best}")
