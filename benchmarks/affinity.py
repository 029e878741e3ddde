"""Learned affinity: spatial propagation and convolutional propagation against the forms that are written in PyTorch.

    python benchmarks/affinity.py --out docs/affinity_speed.md

Both sides must agree first, results and gradients. Then they are timed in turn in one process and the minima are
compared. Peak memory is measured in a fresh process for each case: what the process holds at most, less what it held
with its inputs ready.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.affinity import spatial_propagation

TURNS = 12


def step_major(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right with columns first in memory, so that each step reads and writes whole lines (normalised gates)."""
    x, gates = x.permute(3, 0, 1, 2).contiguous(), gates.permute(1, 4, 0, 2, 3).contiguous()
    p0, p1, p2 = F.pad(gates[0, ..., 1:], (1, 0)), gates[1], F.pad(gates[2, ..., :-1], (0, 1))
    own = (1 - p0 - p1 - p2) * x
    h = [x[0]]
    for t in range(1, len(x)):
        before = F.pad(h[-1], (1, 1))
        h.append(own[t] + p0[t] * before[..., :-2] + p1[t] * before[..., 1:-1] + p2[t] * before[..., 2:])
    return torch.stack(h).permute(1, 2, 3, 0).contiguous()


def column_loop(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right as the equation is read, in NCHW."""
    p0, p1, p2 = F.pad(gates[:, 0, :, 1:], (0, 0, 1, 0)), gates[:, 1], F.pad(gates[:, 2, :, :-1], (0, 0, 0, 1))
    h = [x[..., 0]]
    for t in range(1, x.shape[3]):
        before = F.pad(h[-1], (1, 1))
        at = [p[..., t] for p in (p0, p1, p2)]
        carried = at[0] * before[..., :-2] + at[1] * before[..., 1:-1] + at[2] * before[..., 2:]
        h.append((1 - at[0] - at[1] - at[2]) * x[..., t] + carried)
    return torch.stack(h, -1)


def ours(x: Tensor, gates: Tensor) -> Tensor:
    return spatial_propagation(x, gates, "left_to_right", None)


def with_backward(form: Callable[..., Tensor], *parts: Tensor) -> list[Tensor]:
    leaves = [part.detach().requires_grad_() for part in parts]
    out = form(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, torch.ones_like(out))]


def milliseconds(*sides: Callable[[], object]) -> list[float]:
    """The shortest of several runs of each, taken in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(TURNS):
        for place, side in enumerate(sides):
            start = time.perf_counter()
            side()
            best[place] = min(best[place], (time.perf_counter() - start) * 1e3)
    return best


if __name__ == "__main__":
    torch.manual_seed(0)
    x, gates = torch.randn(1, 32, 128, 128), torch.rand(1, 3, 32, 128, 128) / 3
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for a, b in zip(with_backward(ours, x, gates), with_backward(step_major, x, gates)): torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        print(threads, milliseconds(*(lambda f=f: with_backward(f, x, gates) for f in (ours, step_major, column_loop))))
        print(threads, "fwd", milliseconds(*(lambda f=f: f(x, gates) for f in (ours, step_major, column_loop))))
