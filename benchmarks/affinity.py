"""Learned affinity: spatial and convolutional propagation against the forms that are written in PyTorch.

    python benchmarks/affinity.py --out docs/affinity_speed.md

Both sides must agree first, results and gradients. Then they are timed in turn in one process, and minima of the time
on the clock and of processor time are compared. Peak memory is measured in a fresh process for each case: what the
process holds at most, less what it held with its inputs ready.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.files import write_text

TURNS = 8
OFFSETS = [(1, 1), (1, 0), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, 0), (-1, -1)]  # of the published module's channels

Form = Callable[[Tensor, Tensor], Tensor]


def spn(direction: str = "left_to_right") -> Form:
    return lambda x, gates: spatial_propagation(x, gates, direction, None)


def cspn(steps: int = 24, kernel_size: int = 3) -> Form:
    return lambda h0, guidance: convolutional_propagation(h0, guidance, steps, kernel_size)


def step_major(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right with columns first in memory, so that each step reads and writes whole lines."""
    x, gates = x.permute(3, 0, 1, 2).contiguous(), gates.permute(1, 4, 0, 2, 3).contiguous()
    p0, p1, p2 = F.pad(gates[0, ..., 1:], (1, 0)), gates[1], F.pad(gates[2, ..., :-1], (0, 1))
    own = (1 - p0 - p1 - p2) * x
    h = [x[0]]
    for t in range(1, len(x)):
        before = F.pad(h[-1], (1, 1))
        h.append(own[t] + p0[t] * before[..., :-2] + p1[t] * before[..., 1:-1] + p2[t] * before[..., 2:])
    return torch.stack(h).permute(1, 2, 3, 0).contiguous()


def column_loop(x: Tensor, gates: Tensor) -> Tensor:
    """Left to right as the equation is read."""
    p0, p1, p2 = F.pad(gates[:, 0, :, 1:], (0, 0, 1, 0)), gates[:, 1], F.pad(gates[:, 2, :, :-1], (0, 0, 0, 1))
    h = [x[..., 0]]
    for t in range(1, x.shape[3]):
        before = F.pad(h[-1], (1, 1))
        a, b, c = p0[..., t], p1[..., t], p2[..., t]
        carried = a * before[..., :-2] + b * before[..., 1:-1] + c * before[..., 2:]
        h.append((1 - a - b - c) * x[..., t] + carried)
    return torch.stack(h, -1)


def published(h0: Tensor, guidance: Tensor) -> Tensor:
    """24 steps in the style of the published module: each pads eight copies of the map and sums by a convolution."""
    pads = [(1 - right, 1 + right, 1 - down, 1 + down) for down, right in OFFSETS]
    one = torch.ones(1, 8, 1, 1, 1)
    gates = torch.stack([F.pad(guidance[:, k : k + 1], pad) for k, pad in enumerate(pads)], 1)
    weights = gates / F.conv3d(gates.abs(), one)
    first = ((1 - F.conv3d(weights, one)).squeeze(1))[..., 1:-1, 1:-1] * h0
    h = h0
    for _ in range(24):
        maps = torch.stack([F.pad(h, pad) for pad in pads], 1)
        h = first + F.conv3d(weights * maps, one).squeeze(1)[..., 1:-1, 1:-1]
    return h


def slices(h0: Tensor, guidance: Tensor) -> Tensor:
    """24 steps of slices of one padded map: the quickest form in PyTorch that was found."""
    height, width = h0.shape[2:]
    padded = F.pad(guidance, (1, 1, 1, 1))
    cut = [(slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width)) for down, right in OFFSETS]
    gates = torch.stack([padded[:, k, rows, columns] for k, (rows, columns) in enumerate(cut)], 1)
    weights = gates / gates.abs().sum(1, keepdim=True)
    first, h = (1 - weights.sum(1, keepdim=True)) * h0, h0
    for _ in range(24):
        padded, h = F.pad(h, (1, 1, 1, 1)), first
        for k, (rows, columns) in enumerate(cut):
            h = torch.addcmul(h, weights[:, k : k + 1], padded[..., rows, columns])
    return h


def spn_inputs(channels: int = 32, side: int = 128) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, channels, side, side), torch.rand(1, 3, channels, side, side) / 3


def cspn_inputs(height: int = 228, width: int = 304, neighbours: int = 8) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return 1 + torch.rand(1, 1, height, width), torch.randn(1, neighbours, height, width)


SPN = {"kernel": spn(), "step-major loop": step_major, "column loop": column_loop}
CSPN = {"kernel": cspn(), "published style": published, "slices": slices}
CASES = {"SPN": (SPN, spn_inputs), "CSPN": (CSPN, cspn_inputs)}


def forward(form: Form, parts: tuple[Tensor, Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [form(*parts)]


def with_backward(form: Form, parts: tuple[Tensor, Tensor]) -> list[Tensor]:
    leaves = [part.detach().requires_grad_() for part in parts]
    out = form(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, torch.ones_like(out))]


def agreement(forms: dict[str, Form], parts: tuple[Tensor, Tensor]) -> float:
    """The largest difference of results and gradients, relative to the largest value of each."""
    ours, *others = (with_backward(form, parts) for form in forms.values())
    pairs = [pair for other in others for pair in zip(ours, other, strict=True)]
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    assert worst < 1e-4, worst
    return worst


def milliseconds(*sides: Callable[[], object]) -> list[tuple[float, float]]:
    """The least time on the clock, and on processors, of several runs of each, taken in turn."""
    best = [(float("inf"), float("inf"))] * len(sides)
    for _ in range(TURNS):
        for place, side in enumerate(sides):
            clock, processor = time.perf_counter(), time.process_time()
            side()
            now = (time.perf_counter() - clock) * 1e3, (time.process_time() - processor) * 1e3
            best[place] = min(best[place][0], now[0]), min(best[place][1], now[1])
    return best


def megabytes(kind: str, form: str) -> float:
    """Peak memory of a forward and backward pass, measured in a process of its own."""
    command = [sys.executable, __file__, "--case", kind, form]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def run_case(kind: str, form: str) -> None:
    """Print the megabytes that one case takes beyond its inputs."""
    torch.set_num_threads(1)
    forms, make = CASES[kind]
    parts = make()
    with_backward(forms[form], tuple(part[..., :9, :9].contiguous() for part in parts))  # libraries are loaded
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    with_backward(forms[form], parts)
    print(resident("VmHWM") - before)


def resident(field: str) -> float:
    """Memory of this process in MB, now (``VmRSS``) or at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def rows(kind: str) -> list[str]:
    forms, make = CASES[kind]
    parts, found = make(), []
    memory = {name: megabytes(kind, name) for name in forms}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for word, run in (("forward", forward), ("with backward", with_backward)):
            times = milliseconds(*(lambda form=form, run=run: run(form, parts) for form in forms.values()))
            for name, (clock, processor) in zip(forms, times, strict=True):
                ratios = f"{clock / times[0][0]:.1f} | {processor / times[0][1]:.1f}"
                peak = f"{memory[name]:.0f}" if word == "with backward" and threads == 1 else ""
                found.append(f"| {word} | {threads} | {name} | {clock:.2f} | {processor:.2f} | {ratios} | {peak} |")
    return found


def growth() -> list[str]:
    """Forward and backward of one thread, relative to the first of each series."""
    torch.set_num_threads(1)
    series: dict[str, dict[str, tuple[Form, tuple[Tensor, Tensor]]]] = {
        "SPN, left to right: pixels": {f"{side}²": (spn(), spn_inputs(8, side)) for side in (64, 128, 256, 512)},
        "SPN, top to bottom: pixels": {
            f"{side}²": (spn("top_to_bottom"), spn_inputs(8, side)) for side in (64, 128, 256, 512)
        },
        "SPN: channels": {f"{channels}": (spn(), spn_inputs(channels)) for channels in (8, 16, 32, 64)},
        "CSPN: pixels": {f"{side}²": (cspn(), cspn_inputs(side, side)) for side in (64, 128, 256, 512)},
        "CSPN: steps": {f"{steps}": (cspn(steps), cspn_inputs()) for steps in (6, 12, 24, 48)},
        "CSPN: kernel": {f"{k}×{k}": (cspn(24, k), cspn_inputs(neighbours=k * k - 1)) for k in (3, 5, 7)},
    }
    lines = []
    for name, cases in series.items():
        times = milliseconds(*(lambda case=case: with_backward(*case) for case in cases.values()))
        lines.append(
            f"| {name} | " + " | ".join(f"{size}: {t[1]:.2f}" for size, t in zip(cases, times, strict=True)) + " |"
        )
    return lines


def page() -> str:
    worst = {kind: agreement(forms, make()) for kind, (forms, make) in CASES.items()}
    head = [
        "| pass | threads | form | ms | processor ms | ms, of kernel | processor ms, of kernel | peak MB |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    lines = [
        "# Learned affinity: time and memory",
        "",
        f"Minima of {TURNS} runs taken in turn in one process; *with backward* is forward and backward. *kernel* is",
        "`intarsia.affinity`. Peak memory of forward and backward is beyond the inputs, in a fresh process. Before",
        "timing, the largest relative differences of results and gradients: "
        f"SPN {worst['SPN']:.0e}, CSPN {worst['CSPN']:.0e}.",
        "",
        "## Spatial propagation, three ways, left to right, 32×128×128",
        "",
        "*step-major loop* holds columns first in memory; *column loop* is the equation as it reads. To read and write",
        "each array once takes 0.9 ms at 34 GB/s.",
        "",
        *head,
        *rows("SPN"),
        "",
        "## Convolutional propagation, 1×228×304, 3×3, 24 steps",
        "",
        "*published style* pads the map eight times in each step and sums by a convolution; *slices* adds up eight",
        "slices of one padded map.",
        "",
        *head,
        *rows("CSPN"),
        "",
        "## Growth",
        "",
        "Forward and backward on one thread, processor ms; kernels grow with (k² - 1).",
        "",
        "| | | | | |",
        "|---|---|---|---|---|",
        *growth(),
        "",
        f"Made by `python benchmarks/affinity.py --out docs/affinity_speed.md` (torch {torch.__version__}, "
        f"Numba {numba.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", nargs=2, help="measure the memory of one case (used by the benchmark itself)")
    options = parser.parse_args()
    if options.case:
        run_case(*options.case)
    else:
        text = page()
        print(text)
        if options.out:
            write_text(options.out, text)
