"""The loop: step, validate, save; it knows neither what is learned nor how it is shown."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from torch import nn

from intarsia.errors import IntarsiaError, Interrupted, RunError
from intarsia.inference.execution import Execution
from intarsia.metrics import Scores
from intarsia.models import SegmentationNetwork
from intarsia.runs import Recipe, Run
from intarsia.runs.weights import save_tensors
from intarsia.training.loading import Batch
from intarsia.training.progress import Reporter
from intarsia.training.samplers import StepBatches
from intarsia.training.schedule import polynomial
from intarsia.training.state import TrainingState
from intarsia.training.tasks import SegmentationTask


@dataclass(frozen=True)
class Loop:
    """The parts of one training, none of which changes."""

    recipe: Recipe
    run: Run
    task: SegmentationTask
    execution: Execution
    accelerator: Accelerator
    batches: StepBatches
    reporter: Reporter

    def fit(self, state: TrainingState, prepared: nn.Module, loader: Iterable[Batch | IntarsiaError]) -> None:
        """Train from ``state.step`` to the last step."""
        with _interruptible() as interrupted:
            last = time.perf_counter()
            for batch in loader:
                if isinstance(batch, IntarsiaError):
                    raise batch
                rate = self._step(state, prepared, batch)
                now = time.perf_counter()
                speed = len(batch[0]) * self.accelerator.num_processes / (now - last)
                self.reporter.step(state.step, self.batches.steps, state.mean_loss, rate, speed)
                if state.step % self.batches.steps_per_epoch == 0:
                    self._end_epoch(state)
                elif interrupted.is_set():
                    self._save(state)
                last = time.perf_counter()
                if interrupted.is_set() and state.step < self.batches.steps:
                    raise Interrupted(
                        f"Stopped at step {state.step} of {self.batches.steps}; everything is saved. The same command "
                        "with --resume goes on from here."
                    )

    def _step(self, state: TrainingState, prepared: nn.Module, batch: Batch) -> float:
        pictures, masks = (part.to(self.accelerator.device, non_blocking=True) for part in batch)
        rate = polynomial(state.step, self.batches.steps, self.recipe.base_learning_rate, self.recipe.power)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        prepared.train()
        images = self.execution.place_images(self.task.preprocessing(pictures))
        with self.execution.autocast():
            loss = self.task.loss(prepared(images), masks)
        self.accelerator.backward(loss)
        state.optimiser.step()
        state.optimiser.zero_grad()
        value = float(loss.detach())
        if not value < float("inf"):
            raise RunError(
                f"The loss became {value} at step {state.step + 1}; lower the learning rate (now "
                f"{self.recipe.base_learning_rate:g}) and train anew."
                + (f" `{self.run.folder}` keeps the last saved epoch." if state.history else "")
            )
        state.step += 1
        state.loss_sum, state.loss_steps = state.loss_sum + value, state.loss_steps + 1
        return rate

    def _end_epoch(self, state: TrainingState) -> None:
        if self.accelerator.is_main_process:
            self._validate(state)
        state.loss_sum, state.loss_steps = 0.0, 0
        self._save(state)
        self.accelerator.wait_for_everyone()

    def _validate(self, state: TrainingState) -> None:
        net, epoch = _plain(state.net), state.step // self.batches.steps_per_epoch
        loss = state.mean_loss
        net.eval()
        scores = self.task.validate(net, self.execution)
        self.task.picture(net, self.execution, self.run.picture_path(epoch))
        is_best = scores.mean_iou > state.best_mean_iou or not self.run.weights_path.exists()
        if is_best:
            state.best_mean_iou = scores.mean_iou
            save_tensors(self.run.weights_path, net.state_dict())
        state.history.append(_record(epoch, state, loss, self.recipe, self.batches, scores))
        self.run.write_history(state.history)
        self.reporter.epoch(epoch, self.recipe.epochs, loss, scores, is_best)

    def _save(self, state: TrainingState) -> None:
        if self.accelerator.is_main_process:
            state.save(self.run.checkpoint_path)


def _record(
    epoch: int, state: TrainingState, loss: float, recipe: Recipe, batches: StepBatches, scores: Scores
) -> dict[str, Any]:
    rate = polynomial(state.step - 1, batches.steps, recipe.base_learning_rate, recipe.power)
    return {
        "epoch": epoch,
        "step": state.step,
        "loss": loss,
        "learning_rate": rate,
        "mean_iou": scores.mean_iou,
        "pixel_accuracy": scores.pixel_accuracy,
        "per_class_iou": scores.per_class_iou,
        "seconds": round(state.seconds, 2),
    }


def _plain(net: nn.Module) -> SegmentationNetwork:
    assert isinstance(net, SegmentationNetwork)
    return net


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, which the loop looks at between steps; a second one stops at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
