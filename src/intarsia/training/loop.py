"""The loop: step, validate, save; it knows neither what is learned nor how it is shown."""

import math
import operator
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from intarsia.errors import IntarsiaError, Interrupted, RunError
from intarsia.inference.execution import Execution
from intarsia.runs import NetworkRecord, Recipe, Run
from intarsia.runs.weights import save_tensors
from intarsia.training.averaging import follow, in_place
from intarsia.training.building import Task, worker_count
from intarsia.training.gradient import Gradient
from intarsia.training.interruption import interruptible
from intarsia.training.loading import Batch, batch_loader, delivered
from intarsia.training.mishaps import StepOutOfMemory
from intarsia.training.optimiser import FACTOR
from intarsia.training.precise_norm import measure_statistics
from intarsia.training.processes import (
    anywhere,
    everywhere,
    in_step,
    process_count,
    process_rank,
    seed_step,
    share_buffers,
)
from intarsia.training.progress import EpochReport, Reporter, StepReport
from intarsia.training.samplers import StepBatches
from intarsia.training.schedule import learning_rate
from intarsia.training.selection import judged, note
from intarsia.training.stages import Course
from intarsia.training.state import TrainingState
from intarsia.training.waiting import Watch, remedy


@dataclass(frozen=True)
class Loop:
    """The parts of one stage of a training, none of which changes; ``recipe`` is the stage's."""

    recipe: Recipe
    run: Run
    record: NetworkRecord
    course: Course
    task: Task
    gradient: Gradient
    execution: Execution
    accelerator: Accelerator
    batches: StepBatches
    reporter: Reporter
    checkpoint_minutes: float

    def prepared(self, state: TrainingState) -> tuple[nn.Module, "DataLoader[Batch | IntarsiaError]"]:
        """The network as the engine runs it, and the batches of all steps that are left."""
        net = torch.compile(state.net) if self.recipe.compile else state.net  # the names stay those of `state.net`
        net, _ = self.accelerator.prepare(net, state.optimiser)
        return net, batch_loader(self.task.training_samples(), self.batches, worker_count(self.recipe))

    def fit(self, state: TrainingState) -> None:
        """Train from ``state.step`` to the last step of the stage."""
        if self.is_over(state):
            return
        (prepared, loader), watch = self.prepared(state), Watch()
        with interruptible(launched=process_count() > 1) as interrupted:
            last = saved = time.perf_counter()
            for batch in self._delivered(state, watch.over(delivered(loader))):
                try:
                    loss, rate = self.step(state, prepared, batch)
                except StepOutOfMemory:
                    self._save_if_begun(state)
                    raise
                now, stop = time.perf_counter(), anywhere(interrupted.is_set())
                speed = len(batch[0]) * self.accelerator.num_processes / (now - last)
                watch.step(now - last)
                self.reporter.step(
                    StepReport(state.step, self.course.steps, loss, state.mean_loss, rate, speed, watch.share)
                )
                if self._ends_epoch(state):
                    self._end_epoch(state, watch)
                    saved = time.perf_counter()
                elif stop or now - saved >= 60 * self.checkpoint_minutes:
                    self._save(state)
                    saved = time.perf_counter()
                over = self.is_over(state)
                if stop and not (over and self.course.is_last):
                    self.accelerator.wait_for_everyone()  # until the first process has saved
                    raise Interrupted(
                        f"Stopped at step {state.step} of {self.course.steps}; everything is saved. The same command "
                        "with --resume goes on from here."
                    )
                if over:
                    break
                last = time.perf_counter()

    def is_over(self, state: TrainingState) -> bool:
        """Whether the stage has taken its steps, or waited for a better score as long as it may."""
        patience = self.recipe.patience
        return state.step_in_stage >= self.batches.steps or (patience is not None and state.waited >= patience)

    def step(self, state: TrainingState, prepared: nn.Module, batch: Batch) -> tuple[float, float]:
        """One step of the optimiser: the loss of the batch, and the learning rate that was taken.

        Raises ``StepOutOfMemory`` with the state as it was before, ``RunError`` for a loss that is no number.
        """
        step, steps = state.step_in_stage, self.batches.steps
        rate = learning_rate(self.recipe, step, steps)
        for group in state.optimiser.param_groups:
            group["lr"] = rate * group.get(FACTOR, 1.0)
        state.objective.advance(step / steps)
        prepared.train()
        seed_step(self.recipe.seed, state.step)
        loss = self.gradient(state, prepared, batch)
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(state.net.parameters(), self.recipe.clip)
        state.optimiser.step()
        state.optimiser.zero_grad()
        value = float(loss)
        if not value < float("inf"):
            raise self._diverged(f"The loss became {value} at step {state.step + 1}")
        state.step += 1
        if self.recipe.ema is not None:
            follow(state.average, state.net, state.step, self.recipe.ema, state.average_begun)
        state.loss_sum, state.loss_steps = state.loss_sum + value, state.loss_steps + 1
        return value, rate

    def _delivered(self, state: TrainingState, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The loader's batches; if it fails, the steps that were taken are saved first."""
        try:
            yield from in_step(batches)
        except Exception:  # the loader's: what the loop itself raises does not come by here
            self._save_if_begun(state)
            raise

    def _ends_epoch(self, state: TrainingState) -> bool:
        step = state.step_in_stage
        return step % self.batches.steps_per_epoch == 0 or step == self.batches.steps

    def _end_epoch(self, state: TrainingState, watch: Watch) -> None:
        with in_place(state.average, state.net):
            if self.recipe.precise_batch_norm:
                self._measure_norms(state)
            self._validate(state, watch.share)
        watch.begin()
        state.loss_sum, state.loss_steps = 0.0, 0
        self._save(state)
        self.accelerator.wait_for_everyone()

    def _measure_norms(self, state: TrainingState) -> None:
        """Batch norm's statistics of the weights as they are, on the last batches."""
        last = state.step_in_stage
        first = max(0, last - self.recipe.precise_batch_norm)
        loader = batch_loader(self.task.training_samples(), replace(self.batches, start=first, limit=last), workers=0)
        images = (
            self.execution.place_images(self.task.inputs(*(part.to(self.accelerator.device) for part in pass_)))
            for batch in in_step(delivered(loader))
            for pass_ in zip(*(part.tensor_split(state.parts) for part in batch), strict=True)
        )
        with self.execution.autocast():
            measure_statistics(state.net, images, lambda sums: cast(Tensor, self.accelerator.reduce(sums, "sum")))

    def _validate(self, state: TrainingState, waited: float) -> None:
        """Score the epoch, alike in all processes, of which the first writes what there is to see."""
        self._check_finite(state)
        share_buffers(state.net)
        loss, scores = state.mean_loss, self._scores(state.net.eval())
        epoch = state.stage_epoch + self.batches.epochs_after(state.step_in_stage)
        is_first = state.best_score == -math.inf
        is_best = note(state, judged(self.recipe, self.task, scores, loss))
        figures = self.task.figures(scores)
        state.history.append(self._line(state, epoch, loss, figures, waited))
        if not self.accelerator.is_main_process:
            return
        picture = self.run.picture_path(epoch)
        self.task.picture(state.net, self.execution, picture)
        self._leave_weights(state.net, is_best, is_first)
        self.run.write_history(state.history)
        self.reporter.epoch(EpochReport(epoch, self.course.epochs, state.step, loss, figures, is_best, picture, waited))
        if len(state.history) == 1 and (advice := remedy(waited, worker_count(self.recipe))):
            self.reporter.say(advice)

    def _scores(self, net: nn.Module) -> Any:
        """Of all validation images, of which each process takes its share; of the task's own kind."""
        share = slice(process_rank(), None, process_count())
        any_here = len(self.task.dataset.split("val")[share]) > 0
        found: list[Any] = everywhere(lambda: self.task.validate(net, self.execution, share) if any_here else None)
        return reduce(operator.add, (scores for scores in found if scores is not None))

    def _leave_weights(self, net: nn.Module, is_best: bool, is_first: bool) -> None:
        """The last weights and the best; with a stage's first ones, also what network they belong to.

        Weights of another network go before that is written: a run that is killed in between says that it is not
        finished, and never loads weights into a network that they do not fit.
        """
        weights = self.task.weights(net)
        if is_first and self.record != self.run.network():
            self.run.weights_path.unlink(missing_ok=True)
            self.run.write_network(self.record)
        save_tensors(self.run.last_weights_path, weights)
        if is_best:
            save_tensors(self.run.weights_path, weights)
            self.run.refinement_path.unlink(missing_ok=True)  # it was chosen for other weights

    def _line(
        self, state: TrainingState, epoch: int, loss: float, figures: dict[str, Any], waited: float
    ) -> dict[str, Any]:
        """What metrics.jsonl says of an epoch."""
        stage = {"stage": self.course.number + 1} if self.course.stages > 1 else {}
        rate = learning_rate(self.recipe, state.step_in_stage - 1, self.batches.steps)
        where = {"epoch": epoch, **stage, "step": state.step, "loss": loss, "learning_rate": rate}
        return {**where, **figures, "waited": round(waited, 4), "seconds": round(state.seconds, 2)}

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
