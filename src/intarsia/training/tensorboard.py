"""TensorBoard as one more reporter."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from intarsia.errors import MissingPackageError
from intarsia.training.progress import EpochReport, StepReport

FLUSH_SECONDS = 10  # what a killed process may lose of its curves


def require_tensorboard() -> None:
    """Raise ``MissingPackageError`` where the package is absent."""
    if find_spec("tensorboard") is None:
        raise MissingPackageError("TensorBoard", "tensorboard", "tensorboard")


class TensorBoard:
    """Writes events below ``folder``: loss, rate and speed at each step; scores and a picture at each epoch.

    ``finished`` is the last step that is saved: what a killed session wrote of later steps is struck out, so that a
    resumed run holds each step once.
    """

    def __init__(self, folder: Path, finished: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=finished + 1, flush_secs=FLUSH_SECONDS)

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def checked(self, done: int, total: int) -> None:
        """Not worth an event."""

    def say(self, sentence: str) -> None:
        """Nothing: sentences are for people."""

    def step(self, report: StepReport) -> None:
        """Three points."""
        self._writer.add_scalar("training/loss", report.loss, report.step)
        self._writer.add_scalar("training/learning_rate", report.learning_rate, report.step)
        self._writer.add_scalar("training/images_per_second", report.images_per_second, report.step)

    def epoch(self, report: EpochReport) -> None:
        """The scores, and the picture of the epoch."""
        scores = {name: score for name, score in report.figures.items() if isinstance(score, float)}
        for group, by_class in report.figures.items():
            if isinstance(by_class, Mapping):
                scores |= {f"{group.removeprefix('per_class_')}/{name}": score for name, score in by_class.items()}
        for name, score in scores.items():
            if not np.isnan(score):  # a class that no validation image holds
                self._writer.add_scalar(f"validation/{name}", score, report.step)
        with Image.open(report.picture) as picture:
            self._writer.add_image("validation/pictures", np.asarray(picture), report.step, dataformats="HWC")
        self._writer.flush()
