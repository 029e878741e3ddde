"""The loop: step, validate, save; it knows neither what is learned nor how it is shown."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from intarsia.errors import IntarsiaError, Interrupted, RunError
from intarsia.inference.execution import Execution
from intarsia.runs import Recipe, Run
from intarsia.runs.weights import save_tensors
from intarsia.training.building import Task, worker_count
from intarsia.training.gradient import Gradient
from intarsia.training.loading import Batch, batch_loader, delivered
from intarsia.training.mishaps import StepOutOfMemory
from intarsia.training.optimiser import FACTOR
from intarsia.training.progress import EpochReport, Reporter, StepReport
from intarsia.training.samplers import StepBatches
from intarsia.training.schedule import learning_rate
from intarsia.training.state import TrainingState


@dataclass(frozen=True)
class Loop:
    """The parts of one training, none of which changes."""

    recipe: Recipe
    run: Run
    task: Task
    gradient: Gradient
    execution: Execution
    accelerator: Accelerator
    batches: StepBatches
    reporter: Reporter
    checkpoint_minutes: float

    def prepared(self, state: TrainingState) -> tuple[nn.Module, "DataLoader[Batch | IntarsiaError]"]:
        """The network as the engine runs it, and the batches of all steps that are left."""
        net, _ = self.accelerator.prepare(state.net, state.optimiser)
        return net, batch_loader(self.task.training_samples(), self.batches, worker_count(self.recipe))

    def fit(self, state: TrainingState) -> None:
        """Train from ``state.step`` to the last step."""
        prepared, loader = self.prepared(state)
        with _interruptible() as interrupted:
            last = saved = time.perf_counter()
            for batch in self._delivered(state, loader):
                try:
                    loss, rate = self.step(state, prepared, batch)
                except StepOutOfMemory:
                    self._save_if_begun(state)
                    raise
                now, stop = time.perf_counter(), interrupted.is_set()
                speed = len(batch[0]) * self.accelerator.num_processes / (now - last)
                self.reporter.step(StepReport(state.step, self.batches.steps, loss, state.mean_loss, rate, speed))
                if state.step % self.batches.steps_per_epoch == 0:
                    self._end_epoch(state)
                    saved = time.perf_counter()
                elif stop or now - saved >= 60 * self.checkpoint_minutes:
                    self._save(state)
                    saved = time.perf_counter()
                if stop and state.step < self.batches.steps:
                    raise Interrupted(
                        f"Stopped at step {state.step} of {self.batches.steps}; everything is saved. The same command "
                        "with --resume goes on from here."
                    )
                last = time.perf_counter()

    def step(self, state: TrainingState, prepared: nn.Module, batch: Batch) -> tuple[float, float]:
        """One step of the optimiser: the loss of the batch, and the learning rate that was taken.

        Raises ``StepOutOfMemory`` with the state as it was before, ``RunError`` for a loss that is no number.
        """
        rate = learning_rate(self.recipe, state.step, self.batches.steps)
        for group in state.optimiser.param_groups:
            group["lr"] = rate * group.get(FACTOR, 1.0)
        state.objective.advance(state.step / self.batches.steps)
        prepared.train()
        loss = self.gradient(state, prepared, batch)
        state.optimiser.step()
        state.optimiser.zero_grad()
        value = float(loss)
        if not value < float("inf"):
            raise self._diverged(f"The loss became {value} at step {state.step + 1}")
        state.step += 1
        state.loss_sum, state.loss_steps = state.loss_sum + value, state.loss_steps + 1
        return value, rate

    def _delivered(self, state: TrainingState, loader: "DataLoader[Batch | IntarsiaError]") -> Iterator[Batch]:
        """The loader's batches; if it fails, the steps that were taken are saved first."""
        try:
            yield from delivered(loader)
        except Exception:  # the loader's: what the loop itself raises does not come by here
            self._save_if_begun(state)
            raise

    def _end_epoch(self, state: TrainingState) -> None:
        if self.accelerator.is_main_process:
            self._validate(state)
        state.loss_sum, state.loss_steps = 0.0, 0
        self._save(state)
        self.accelerator.wait_for_everyone()

    def _validate(self, state: TrainingState) -> None:
        self._check_finite(state)
        net, epoch, loss = state.net, state.step // self.batches.steps_per_epoch, state.mean_loss
        net.eval()
        scores = self.task.validate(net, self.execution)
        picture = self.run.picture_path(epoch)
        self.task.picture(net, self.execution, picture)
        is_best = self.task.score(scores) > state.best_score or not self.run.weights_path.exists()
        if is_best:
            state.best_score = self.task.score(scores)
            save_tensors(self.run.weights_path, self.task.weights(net))
            self.run.refinement_path.unlink(missing_ok=True)  # it was chosen for other weights
        figures = self.task.figures(scores)
        state.history.append(_record(epoch, state, loss, self.recipe, self.batches, figures))
        self.run.write_history(state.history)
        self.reporter.epoch(EpochReport(epoch, self.recipe.epochs, state.step, loss, figures, is_best, picture))

    def _save(self, state: TrainingState) -> None:
        if self.accelerator.is_main_process:
            self._check_finite(state)
            state.save(self.run.checkpoint_path)

    def _save_if_begun(self, state: TrainingState) -> None:
        """A run without a step is better begun anew, under any recipe."""
        if state.step > 0:
            self._save(state)

    def _check_finite(self, state: TrainingState) -> None:
        """A step may end in weights that are no numbers, and only the next loss would show it."""
        if not state.is_finite():
            raise self._diverged(f"The weights were no longer finite after step {state.step}")

    def _diverged(self, what: str) -> RunError:
        kept = f" `{self.run.folder}` keeps the last saved state." if self.run.checkpoint_path.exists() else ""
        rate = self.recipe.base_learning_rate
        return RunError(f"{what}; lower the learning rate (now {rate:g}) and train anew.{kept}")


def _record(
    epoch: int, state: TrainingState, loss: float, recipe: Recipe, batches: StepBatches, figures: dict[str, Any]
) -> dict[str, Any]:
    rate = learning_rate(recipe, state.step - 1, batches.steps)
    return {
        "epoch": epoch,
        "step": state.step,
        "loss": loss,
        "learning_rate": rate,
        **figures,
        "seconds": round(state.seconds, 2),
    }


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
