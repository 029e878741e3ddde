"""Which precision and memory layout is fastest here, by a short measurement of real training steps."""

import copy
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from accelerate.utils import broadcast_object_list
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.inference.execution import Execution, MemoryFormat, Precision
from intarsia.runs import Recipe
from intarsia.training.building import Task
from intarsia.training.convolution_gradients import multiply_gradients
from intarsia.training.loading import Batch, collate
from intarsia.training.mishaps import ran_out_of_memory
from intarsia.training.networks import Network, fewest_images
from intarsia.training.progress import Reporter

Loss = Callable[[nn.Module, Float[Tensor, "B C H W"]], Float[Tensor, ""]]

TIMED_STEPS = 2
MARGIN = 0.95  # bfloat16 must win clearly before it replaces float32


def choose_execution(recipe: Recipe, task: Task, net: Network, device: str, reporter: Reporter) -> Execution:
    """What the recipe says, or what is fastest in the first of all processes: all must compute alike."""
    options = executions(device, recipe.precision, recipe.memory_format)
    chosen = options[0] if len(options) == 1 else _measure(options, recipe, task, net, reporter)
    agreed = [chosen]
    broadcast_object_list(agreed)
    return replace(agreed[0], device=chosen.device)


def executions(device: str, precision: str, memory_format: str) -> list[Execution]:
    """The executions that a recipe admits; ``"auto"`` admits both values. Float32 comes first."""
    precisions: Sequence[Precision] = ("float32", "bfloat16") if precision == "auto" else (precision,)  # pyright: ignore[reportAssignmentType]
    formats: Sequence[MemoryFormat] = (
        ("contiguous", "channels_last") if memory_format == "auto" else (memory_format,)  # pyright: ignore[reportAssignmentType]
    )
    return [Execution(device, p, m) for p, m in itertools.product(precisions, formats)]


def fastest(options: Sequence[Execution], net: nn.Module, images: Float[Tensor, "B C H W"], loss: Loss) -> Execution:
    """The option whose forward and backward pass takes least time; ``net`` is left as it was."""
    random_state = torch.get_rng_state()
    seconds = {option: _time(option, net, images, loss) for option in options}
    torch.set_rng_state(random_state)
    best = min(options, key=lambda option: seconds[option])
    plain = min((o for o in options if o.precision == "float32"), key=lambda o: seconds[o], default=best)
    return best if seconds[best] < MARGIN * seconds[plain] else plain


def _time(option: Execution, net: nn.Module, images: Tensor, loss: Loss) -> float:
    trial = option.place(copy.deepcopy(net)).train()
    multiply_gradients(trial, option)  # as it is trained; what `compile` would make of it is not measured
    placed = option.place_images(images.to(option.device))
    durations = []
    for _ in range(1 + TIMED_STEPS):
        start = time.perf_counter()
        with option.autocast():
            value = loss(trial, placed)
        value.backward()
        float(value.detach())  # waits for the device
        durations.append(time.perf_counter() - start)
    return min(durations[1:])


def _measure(options: Sequence[Execution], recipe: Recipe, task: Task, net: Network, reporter: Reporter) -> Execution:
    """The fastest on a batch of the recipe's, or on as many of its images as fit into memory."""
    reporter.say("Measuring which precision and memory layout train fastest here …")
    samples = task.training_samples()
    images = min(recipe.batch_size, len(samples.samples))
    batch = collate([samples[0, i] for i in range(images)])
    if isinstance(batch, Exception):
        raise batch
    while True:
        try:
            return _fastest_on((batch[0][:images], batch[1][:images]), options, task, net)
        except (RuntimeError, MemoryError) as error:
            if images // 2 < fewest_images(recipe, net) or not ran_out_of_memory(error):
                raise
        images //= 2


def _fastest_on(batch: Batch, options: Sequence[Execution], task: Task, net: Network) -> Execution:
    pictures, masks = (part.to(options[0].device) for part in batch)
    return fastest(options, net, task.inputs(pictures, masks), lambda trial, x: task.loss(trial(x), masks))
