"""Which precision and memory layout is fastest here, by a short measurement of real training steps."""

import copy
import itertools
import time
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intarsia.inference.execution import Execution, MemoryFormat, Precision

Loss = Callable[[nn.Module, Float[Tensor, "B C H W"]], Float[Tensor, ""]]

TIMED_STEPS = 2
MARGIN = 0.95  # bfloat16 must win clearly before it replaces float32


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
