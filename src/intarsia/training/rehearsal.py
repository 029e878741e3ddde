"""A dry run: what a training would do, how long it would take and how much memory, by a few real steps."""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from intarsia.errors import ArgumentError
from intarsia.runs import Conduct, Recipe, Run
from intarsia.training.building import describe, describe_training, worker_count
from intarsia.training.folder import admit, folder_for
from intarsia.training.loading import delivered
from intarsia.training.loop import Loop
from intarsia.training.mishaps import told
from intarsia.training.networks import Network
from intarsia.training.preparation import prepare
from intarsia.training.processes import one_voice
from intarsia.training.progress import Silent
from intarsia.training.state import TrainingState
from intarsia.training.tasks import PICTURED, spread
from intarsia.training.waiting import Watch, percent, remedy

STEPS = 10  # measured, after some that are not
PREFETCHED = 2  # batches for each loading process, torch's default
VALIDATED = 3  # images, the second time


@dataclass(frozen=True)
class Rehearsal:
    """What was found, and what was measured: times in seconds, memory in bytes.

    ``waited`` is the share of a step that passes while its batch is fetched.
    """

    found: str
    network: str
    epochs: int
    steps: int
    steps_per_epoch: int
    images_per_step: int
    parts: int
    crop_size: int
    step_seconds: float
    waited: float
    validation_seconds: float
    peak_bytes: int
    device: str
    workers: int

    @property
    def epoch_seconds(self) -> float:
        """One epoch, its validation and picture included."""
        return self.steps_per_epoch * self.step_seconds + self.validation_seconds

    @property
    def seconds(self) -> float:
        """The whole training, as if all its stages were like the first."""
        return self.steps * self.step_seconds + self.epochs * self.validation_seconds

    def text(self) -> str:
        """Seven lines for a person."""
        parts = f", in {self.parts} parts" if self.parts > 1 else ""
        beside = f", beside {self.workers} loading processes" if self.workers else ""
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        most = "at most " if self.steps < self.epochs * self.steps_per_epoch else ""
        return "\n".join(
            [
                self.found,
                self.network,
                f"{epochs} of {most}{self.steps_per_epoch} steps, {self.steps} steps in all; a "
                f"step takes {self.images_per_step} images of {self.crop_size} × {self.crop_size} pixels{parts}.",
                f"Time: {duration(self.step_seconds)} a step, {duration(self.validation_seconds)} a validation, "
                f"{duration(self.epoch_seconds)} an epoch, {duration(self.seconds)} in all.",
                remedy(self.waited, self.workers) or f"Waiting for data: {percent(self.waited)} of a step.",
                f"Memory: {self.peak_bytes / 2**30:.2f} GiB at most on {self.device}{beside}.",
                "This was a dry run: nothing was written.",
            ]
        )


def rehearse(recipe: Recipe, *, out: str | Path | None = None, conduct: Conduct = Conduct()) -> Rehearsal:  # noqa: B008  (frozen)
    """Do what :func:`~intarsia.training.train` would do for ten steps and three validation images; write nothing.

    Raises what ``train`` would raise until then. The times hold for a machine as busy as now, loading included; the
    memory is the largest size of this process on a CPU, and that of the allocated tensors on a GPU.
    """
    run = Run(folder_for(recipe, out))
    with one_voice(), told(run):
        return _rehearse(admit(recipe, run, resume=False), conduct, run)


def _rehearse(recipe: Recipe, conduct: Conduct, run: Run) -> Rehearsal:
    preparation = prepare(recipe, conduct, Silent())
    if preparation.accelerator.num_processes > 1:
        processes = preparation.accelerator.num_processes
        raise ArgumentError(f"A dry run takes one process, not {processes}; start it without torchrun.")
    record = preparation.measured_record()
    state = preparation.first_state(record)
    loop = preparation.loop(run, record, state, Silent())
    step_seconds, waited = _time_steps(loop, state)
    return Rehearsal(
        found=describe(preparation.dataset),
        network=describe_training(record, preparation.net),
        epochs=loop.course.epochs,
        steps=loop.course.steps,
        steps_per_epoch=loop.batches.steps_per_epoch,
        images_per_step=loop.batches.images_per_step,
        step_seconds=step_seconds,
        waited=waited,
        validation_seconds=_time_validation(loop, preparation.net),
        parts=state.parts,
        crop_size=preparation.recipe.crop_size,
        peak_bytes=_peak_bytes(),
        device=record.device,
        workers=worker_count(recipe),
    )


def _time_steps(loop: Loop, state: TrainingState) -> tuple[float, float]:
    """Seconds a step, loading included, and the share of them that passes while its batch is fetched.

    The first step, which starts everything, does not count, nor do those whose batches were loaded meanwhile.
    """
    before = 1 + PREFETCHED * worker_count(loop.recipe)
    epochs = -(-(before + STEPS) // loop.batches.steps_per_epoch)
    loop = replace(loop, batches=replace(loop.batches, epochs=epochs, limit=None))  # a short training has too few steps
    (prepared, loader), watch = loop.prepared(state), Watch()
    begun = last = 0.0
    for count, batch in zip(range(1, before + STEPS + 1), watch.over(delivered(loader)), strict=False):
        loop.step(state, prepared, batch)
        now = time.perf_counter()
        watch.step(now - last)
        last = now
        if count == before:
            watch.begin()
            begun = now
    return (last - begun) / STEPS, watch.share


def _time_validation(loop: Loop, net: Network) -> float:
    """Seconds for all validation images and the picture of some, by a few of them."""
    images = loop.task.dataset.split("val")
    few = spread(images, VALIDATED)
    net.eval()
    task = replace(loop.task, dataset=replace(loop.task.dataset, splits={"val": tuple(few)}))
    task.validate(net, loop.execution)
    begun = time.perf_counter()
    task.validate(net, loop.execution)
    return (time.perf_counter() - begun) / len(few) * (len(images) + min(PICTURED, len(images)))


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    import resource  # not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def duration(seconds: float) -> str:
    """For a person.

    >>> duration(0.0123), duration(75), duration(7500)
    ('0.012 s', '1 min 15 s', '2 h 05 min')
    """
    if seconds < 59.95:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
