"""The gradient of one batch: a step that finds too little memory is undone, and taken again in smaller parts."""

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from intarsia.errors import IntarsiaWarning
from intarsia.inference.execution import Execution
from intarsia.training.allocator import release_freed_memory
from intarsia.training.building import Task
from intarsia.training.loading import Batch
from intarsia.training.mishaps import StepOutOfMemory, ran_out_of_memory
from intarsia.training.processes import process_count, total
from intarsia.training.state import TrainingState


@dataclass(frozen=True)
class Gradient:
    """Forward and backward pass over a batch.

    ``fewest`` is the smallest part that the network can train on where memory may be saved by halving, else ``None``.
    The loss is the mean over the valid pixels of the whole batch, in however many parts and processes it is taken:
    each part counts by its valid pixels. Batch norm sees one part at a time.
    """

    task: Task
    execution: Execution
    accelerator: Accelerator
    fewest: int | None = None

    def __call__(self, state: TrainingState, prepared: nn.Module, batch: Batch) -> Tensor:
        """Fill ``.grad`` and give the loss of the batch of all processes, a scalar on the device.

        Raises ``StepOutOfMemory``, with the state as it was before, when memory runs out and parts may not be smaller.
        """
        while True:
            before = state.moment()
            try:
                loss = self._in_parts(prepared, batch, state.parts)
                self._agree(state)
                return loss
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
            state.return_to(before)  # only here, after the error is gone, are the tensors of the failed step free
            release_freed_memory()
            self._halve(state, len(batch[0]))

    def _in_parts(self, prepared: nn.Module, batch: Batch, parts: int) -> Tensor:
        pictures, masks = (part.to(self.accelerator.device, non_blocking=True) for part in batch)
        valid = total(self.task.valid_targets(masks))
        valid = torch.where(valid > 0, valid, 1) / process_count()  # the engine takes means
        summed = torch.zeros((), device=masks.device)
        for left, some, truth in zip(
            reversed(range(parts)), pictures.tensor_split(parts), masks.tensor_split(parts), strict=True
        ):
            with self.accelerator.no_sync(prepared) if left else nullcontext():  # processes meet in the last part
                images = self.execution.place_images(self.task.inputs(some, truth))
                with self.execution.autocast():
                    loss = self.task.loss(prepared(images), truth)
                    loss = loss * (self.task.valid_targets(truth) / valid).to(loss.dtype)
                self.accelerator.backward(loss)
            summed += loss.detach()
        return (total(summed) / process_count()).to(summed.dtype)

    def _agree(self, state: TrainingState) -> None:
        """What the loss learns stands outside of the network, whose gradients the engine averages over processes."""
        for parameter in state.objective.parameters():
            parameter.grad = cast(Tensor, self.accelerator.reduce(parameter.grad, reduction="mean"))

    def _halve(self, state: TrainingState, images: int) -> None:
        """Cut batches into twice as many parts, or raise where that is not wanted or not possible."""
        at_once = -(-images // state.parts)
        parts = min(2 * state.parts, images // (self.fewest or images))
        ran_out = f"Memory ran out at step {state.step + 1} with {_count(at_once)} at once"
        if self.fewest is None and images > 1:
            raise StepOutOfMemory(
                f"{ran_out}; go on with --on-oom halve, or take a smaller --batch-size or --crop-size."
            )
        if parts <= state.parts:
            raise StepOutOfMemory(f"{ran_out}; take a smaller --crop-size or a smaller network.")
        state.parts = parts
        warnings.warn(
            f"{ran_out}; each step now takes its {images} images in {parts} parts, {_count(-(-images // parts))} at "
            "most at once: the loss is the mean over all of them as before, but batch norm sees one part at a time.",
            IntarsiaWarning,
            stacklevel=2,
        )


def _count(images: int) -> str:
    return "one image" if images == 1 else f"{images} images"
