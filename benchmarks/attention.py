"""Attention over all positions, in blocks and with the whole matrix; and what each attention block costs.

    python benchmarks/attention.py --out docs/attention.md

First both forms must agree, results and gradients. Then they are timed in turn in one process, and the minima are
compared. Peak memory is measured in a fresh process for each case: what the process holds at most, less what it held
with its inputs ready.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from intarsia.files import write_text
from intarsia.layers import (
    AttentionRefinement,
    ChannelAttention,
    FeatureFusion,
    NonLocal,
    PositionAttention,
    SqueezeExcitation,
    attend,
)

SIDE, CHANNELS, WIDTH, TURNS = 97, 512, 64, 4

Form = Callable[[Tensor, Tensor, Tensor], Tensor]


def naive(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return values @ (queries.mT @ keys).softmax(-1).mT


FORMS: dict[str, Form] = {"blocks": attend, "naive": naive}
BLOCKS = {
    "SE": lambda: SqueezeExcitation(CHANNELS),
    "non-local, embedded Gaussian": lambda: NonLocal(CHANNELS),
    "non-local, embedded Gaussian, sub-sampled": lambda: NonLocal(CHANNELS, subsample=True),
    "non-local, dot product": lambda: NonLocal(CHANNELS, "dot_product"),
    "non-local, concatenation": lambda: NonLocal(CHANNELS, "concatenation"),
    "PAM": lambda: PositionAttention(CHANNELS),
    "CAM": lambda: ChannelAttention(),
    "ARM": lambda: AttentionRefinement(CHANNELS, CHANNELS),
    "FFM": lambda: FeatureFusion(CHANNELS, CHANNELS),
}


def inputs(dtype: torch.dtype = torch.float32, positions: int = SIDE**2) -> list[Tensor]:
    """Queries, keys and values; scores have a standard deviation of about 2."""
    torch.manual_seed(0)
    parts = (0.5 * torch.randn(1, WIDTH, positions), 0.5 * torch.randn(1, WIDTH, positions))
    return [part.to(dtype) for part in (*parts, torch.randn(1, CHANNELS, positions))]


def forward(form: Form, parts: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [form(*parts)]


def with_backward(form: Form, parts: list[Tensor]) -> list[Tensor]:
    leaves = [part.detach().requires_grad_() for part in parts]
    out = form(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, torch.ones_like(out))]


PASSES = {"forward": forward, "with backward": with_backward}


def agree() -> str:
    """The largest difference of results and gradients, relative to the largest value of each."""
    parts, worst = inputs(), 0.0
    for ours, theirs in zip(*(with_backward(form, parts) for form in FORMS.values()), strict=True):
        worst = max(worst, float((ours - theirs).abs().max() / theirs.abs().max()))
    assert worst < 1e-4, worst
    rounded = attend(*inputs(torch.bfloat16)).float()
    expected = naive(*parts)
    loss = float((rounded - expected).norm() / expected.norm())
    assert loss < 0.02, loss
    return f"float32 {worst:.0e} (results and gradients), bfloat16 {loss:.1e} (root mean square)"


def milliseconds(*sides: Callable[[], object]) -> list[float]:
    """The shortest of several runs of each, taken in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(TURNS):
        for place, side in enumerate(sides):
            start = time.perf_counter()
            side()
            best[place] = min(best[place], (time.perf_counter() - start) * 1e3)
    return best


def megabytes(*case: str) -> float:
    """Peak memory of a case, measured in a process of its own."""
    command = [sys.executable, __file__, "--case", *case]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def run_case(case: list[str]) -> None:
    """Print the megabytes that one case takes beyond its inputs."""
    if case[0] in BLOCKS:
        net, arguments = BLOCKS[case[0]]().eval(), maps(case[0])
        small = [x[..., :3, :3] for x in arguments]
    else:
        which, form, dtype = PASSES[case[1]], FORMS[case[0]], getattr(torch, case[2])
        arguments, small = inputs(dtype), inputs(dtype, positions=9)
    with torch.set_grad_enabled(case[0] not in BLOCKS):
        run = (lambda x: net(*x)) if case[0] in BLOCKS else (lambda x: which(form, x))
        run(small)  # libraries are loaded
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten, and with it that of the parent
        before = resident("VmRSS")
        run(arguments)
    print(resident("VmHWM") - before)


def resident(field: str) -> float:
    """Memory of this process in MB, now (``VmRSS``) or at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def maps(name: str) -> list[Tensor]:
    """The map or maps that a block takes."""
    torch.manual_seed(0)
    x = torch.randn(1, CHANNELS, SIDE, SIDE)
    return [part.contiguous() for part in x.chunk(2, dim=1)] if name == "FFM" else [x]


def attention_rows() -> list[str]:
    rows = []
    for name, run in PASSES.items():
        parts, rounded = inputs(), inputs(torch.bfloat16)
        times = milliseconds(
            lambda run=run, parts=parts: run(naive, parts),
            lambda run=run, parts=parts: run(attend, parts),
            lambda run=run, parts=rounded: run(attend, parts),
        )
        cases = [("naive", "float32"), ("blocks", "float32"), ("blocks", "bfloat16")]
        memory = [megabytes(form, name, dtype) for form, dtype in cases]
        for (form, dtype), ms, mb in zip(cases, times, memory, strict=True):
            ratios = f"{times[0] / ms:.2f} | {mb:.0f} MB | 1 / {memory[0] / mb:.1f}"
            rows.append(f"| {name} | {form} | {dtype} | {ms:.0f} ms | {ratios} |")
    return rows


@torch.no_grad()
def cost(name: str, make: Callable[[], nn.Module]) -> str:
    net, x = make().eval(), maps(name)
    parameters = sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as counter:
        net(*x)
    (ms,) = milliseconds(lambda: net(*x))
    return f"| {name} | {parameters:,} | {counter.get_total_flops() / 2e9:.2f} | {ms:.0f} | {megabytes(name):.0f} |"


def page() -> str:
    agreement = agree()
    lines = [
        "# Attention: time and memory",
        "",
        f"Softmax attention over {SIDE}×{SIDE} positions, queries and keys of {WIDTH} channels, values of {CHANNELS},",
        f"batch 1, {torch.get_num_threads()} threads; the minimum of {TURNS} runs, taken in turn. *naive* holds the",
        f"{SIDE**2}×{SIDE**2} matrix; *blocks* is `intarsia.layers.attend`. Memory is the peak beyond the inputs,",
        "results included, in a fresh process.",
        f"Before timing, relative differences to the naive form: {agreement}.",
        "",
        "| pass | form | precision | time | times as fast | peak memory | of naive |",
        "|---|---|---|---|---|---|---|",
        *attention_rows(),
        "",
        "## What each block costs",
        "",
        f"Forward, float32, a {CHANNELS}×{SIDE}×{SIDE} map ({CHANNELS * SIDE**2 * 4 / 1e6:.0f} MB); FFM joins two of",
        f"{CHANNELS // 2} channels. GMAC counts convolutions and matrix products.",
        "",
        "| block | parameters | GMAC | ms | MB |",
        "|---|---|---|---|---|",
        *(cost(name, make) for name, make in BLOCKS.items()),
        "",
        "Made by `python benchmarks/attention.py --out docs/attention.md` "
        f"(torch {torch.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", nargs="+", help="measure the memory of one case (used by the benchmark itself)")
    options = parser.parse_args()
    if options.case:
        run_case(options.case)
    else:
        text = page()
        print(text)
        if options.out:
            write_text(options.out, text)
