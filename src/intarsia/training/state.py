"""Everything that changes during training, saved and restored whole."""

import json
import math
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intarsia.errors import RunError
from intarsia.losses import Objective
from intarsia.runs.weights import read_metadata, read_tensors, save_tensors
from intarsia.training.averaging import Average


@dataclass(frozen=True)
class Moment:
    """What a step changes before it changes weights: random states, and buffers such as batch norm's statistics."""

    random: dict[str, Tensor]
    buffers: list[Tensor]


@dataclass
class TrainingState:
    """Weights, optimiser, random state, and the position in the schedule; ``step`` counts finished steps.

    ``parts`` is into how many a batch is cut, one after the other, to fit into memory; ``loss_sum`` and ``loss_steps``
    accumulate over the current epoch; ``seconds`` is the time spent on the whole training, validation and earlier
    sessions included; ``data`` is a fingerprint of the images; ``objective`` is the loss, which may learn as well;
    ``processes`` train together.

    ``stage`` counts from 0 and began behind ``stage_step`` steps and ``stage_epoch`` epochs; ``best_score`` is of this
    stage, and ``waited`` epochs have not been better since. ``average`` is a running mean of the weights, if any;
    ``average_begun`` says behind which step those of its tensors began that are not as old as the training.
    """

    net: nn.Module
    optimiser: torch.optim.Optimizer
    data: str = ""
    step: int = 0
    parts: int = 1
    best_score: float = -math.inf
    loss_sum: float = 0.0
    loss_steps: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds_before: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    objective: Objective = field(default_factory=Objective)
    stage: int = 0
    stage_step: int = 0
    stage_epoch: int = 0
    waited: int = 0
    average: Average = field(default_factory=dict)
    average_begun: dict[str, int] = field(default_factory=dict)
    processes: int = 1

    @property
    def step_in_stage(self) -> int:
        """Finished steps of the stage."""
        return self.step - self.stage_step

    @property
    def mean_loss(self) -> float:
        """Of the current epoch."""
        return self.loss_sum / max(1, self.loss_steps)

    @property
    def seconds(self) -> float:
        """Seconds spent so far."""
        return self.seconds_before + time.perf_counter() - self.started

    def moment(self) -> Moment:
        """To return to, if the step that begins now cannot end."""
        return Moment(_random_states(), [buffer.clone() for buffer in self.net.buffers()])

    def return_to(self, moment: Moment) -> None:
        """As if the step had not begun."""
        _restore_random_states(moment.random)
        for buffer, before in zip(self.net.buffers(), moment.buffers, strict=True):
            buffer.copy_(before)
        self.optimiser.zero_grad()

    def is_finite(self) -> bool:
        """Whether weights and statistics are all numbers; a state that is not must never replace one that is."""
        tensors = chain(self.net.state_dict().values(), self.objective.state_dict().values())
        return all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point())

    def save(self, path: Path) -> None:
        """Write one safetensors file, whole or not at all; no pickle."""
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        tensors |= {f"objective.{name}": tensor for name, tensor in self.objective.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        for index, entries in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": t for name, t in entries.items() if isinstance(t, Tensor)}
        tensors |= {f"random.{device}": random_state for device, random_state in _random_states().items()}
        numbers = {name: getattr(self, name) for name in _NUMBERS} | {"seconds_before": self.seconds}
        save_tensors(path, tensors, {"state": json.dumps(numbers)})

    def restore(self, path: Path) -> None:
        """Continue exactly where :meth:`save` stood."""
        tensors, metadata = read_tensors(path)
        if "state" not in metadata:
            raise RunError(f"`{path}` is not a checkpoint of a training run; start the run anew.")
        numbers = json.loads(metadata["state"])
        if numbers["data"] != self.data:
            raise RunError(
                f"The data have changed since `{path}` was saved ({numbers['data']} then, {self.data} now): a run "
                "resumes on the same images only, so restore them or start anew."
            )
        processes = numbers.get("processes", self.processes)  # older checkpoints do not say it
        if processes != self.processes:
            raise RunError(
                f"`{path}` was saved by a training in {processes} processes, and now there are {self.processes}: its "
                "steps would take other images, so start as many processes, or start anew."
            )
        self.net.load_state_dict(_part(tensors, "net."))
        self.objective.load_state_dict(_part(tensors, "objective."))
        for name, tensor in _part(tensors, "average.").items():
            self.average[name].copy_(tensor)
        entries: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "optimiser.").items():
            index, _, entry = name.partition(".")
            entries.setdefault(int(index), {})[entry] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": entries, "param_groups": groups})
        _lay_out_like_parameters(self.optimiser)
        _restore_random_states(_part(tensors, "random."))
        numbers.setdefault("best_score", numbers.pop("best_mean_iou", -1.0))  # its name in older checkpoints
        for name, value in numbers.items():
            setattr(self, name, value)
        self.started = time.perf_counter()


_NUMBERS = (
    *("data", "processes", "step", "parts", "best_score", "loss_sum", "loss_steps", "history"),
    *("stage", "stage_step", "stage_epoch", "waited", "average_begun"),
)


def saved_stage(path: Path) -> int:
    """The stage in which a checkpoint was saved."""
    return json.loads(read_metadata(path).get("state", "{}")).get("stage", 0)


def _lay_out_like_parameters(optimiser: torch.optim.Optimizer) -> None:
    """Files hold contiguous tensors; fused steps walk memory, so moments must lie there as their weights do."""
    for parameter, entries in optimiser.state.items():
        for name, entry in entries.items():
            if isinstance(entry, Tensor) and entry.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, dtype=entry.dtype).copy_(entry)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_random_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
