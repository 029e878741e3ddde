"""Learned affinity: propagations and affinity fields against the forms that are written in PyTorch.

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
from affinity_forms import CASES, Form, aaf_inputs, affinity_field_loss, cspn, cspn_inputs, spn, spn_inputs
from torch import Tensor

from intarsia.files import write_text

TURNS = 8


def forward(form: Form, parts: tuple[Tensor, Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [form(*parts)]


def with_backward(form: Form, parts: tuple[Tensor, Tensor]) -> list[Tensor]:
    leaves = [part.detach().requires_grad_(part.is_floating_point()) for part in parts]
    out = form(*leaves)
    learned = [leaf for leaf in leaves if leaf.requires_grad]
    return [out.detach(), *torch.autograd.grad(out, learned, torch.ones_like(out))]


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
        "AAF: pixels": {f"{side}²": (affinity_field_loss, aaf_inputs(side)) for side in (64, 128, 256, 512)},
        "AAF: classes": {f"{classes}": (affinity_field_loss, aaf_inputs(128, classes)) for classes in (8, 16, 32, 64)},
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
        + ", ".join(f"{kind} {difference:.0e}" for kind, difference in worst.items())
        + ".",
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
        "## Affinity fields, 21 classes, sizes 3, 5 and 7",
        "",
        "*unfolded* lays out every pixel's window by `unfold` and leaves the gradient to PyTorch. The kernel finds its",
        "gradient in the forward pass.",
        "",
        "### 1×65×65",
        "",
        *head,
        *rows("AAF 65"),
        "",
        "### 1×129×129",
        "",
        *head,
        *rows("AAF 129"),
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
