"""Learned affinity on a GPU: Triton's kernels against the same in PyTorch, and against what memory allows.

    python benchmarks/affinity_gpu.py --out docs/affinity_speed_gpu.md

All forms must agree first, results and gradients. Times are medians by the GPU's own clock, launches included; peak
memory is what PyTorch holds at most beyond the inputs. The limit is the time to read and write each input, output and
gradient once, at the speed of a large copy on the same card.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
import triton
from affinity_forms import cspn_inputs, published, step_major
from torch import Tensor

from intarsia.affinity import convolutional_propagation, spatial_propagation
from intarsia.affinity.affinity_field import affinity_field
from intarsia.affinity.field_in_pytorch import affinity_field_by_slices
from intarsia.affinity.in_pytorch import diffuse_maps, propagate_lines
from intarsia.files import write_text

Forms = dict[str, Callable[..., Tensor]]


class Case(NamedTuple):
    """One size of one operator."""

    name: str
    forms: Forms
    inputs: list[Tensor]
    bytes: tuple[int, int]
    """That forward, and forward with backward, cannot do without."""


def milliseconds(side: Callable[[], object]) -> float:
    """The median of several runs, by events on the GPU."""
    for _ in range(3):
        side()
    times = []
    while len(times) < 7 or (sum(times) < 100 and len(times) < 50):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        side()
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last))
    return median(times)


def forward(form: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [form(*inputs)]


def with_backward(form: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    leaves = [part.detach().requires_grad_() for part in inputs]
    out = form(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, torch.ones_like(out))]


def in_place(inputs: list[Tensor], out: int) -> tuple[int, int]:
    """Bytes of inputs and output; and of these, the arriving gradient, inputs, output again and gradients."""
    once = sum(part.nbytes for part in inputs)
    return once + out, (once + out) + (once + out) + once


def spn_case(batch: int, direction: str) -> Case:
    torch.manual_seed(0)
    x, gates = torch.randn(batch, 32, 128, 128, device="cuda"), torch.rand(batch, 3, 32, 128, 128, device="cuda") / 3
    course = direction == "left_to_right", False, float("inf")
    forms: Forms = {
        "kernel": lambda x, g: spatial_propagation(x, g, direction, None),
        "in PyTorch": lambda x, g: propagate_lines(x, g, *course),
    }
    if direction == "left_to_right":
        forms["step-major loop"] = step_major
    return Case(f"SPN {batch}×32×128×128, {direction}", forms, [x, gates], in_place([x, gates], x.nbytes))


def cspn_case(batch: int) -> Case:
    h0, guidance = (part.cuda().repeat(batch, 1, 1, 1) for part in cspn_inputs())
    options = (None, None, 24, 3, True, False, False)
    forms: Forms = {
        "kernel": convolutional_propagation,
        "in PyTorch": lambda h0, guidance: diffuse_maps(h0, guidance, *options),
        "published style": published,
    }
    return Case(f"CSPN {batch}×228×304, 24 steps", forms, [h0, guidance], in_place([h0, guidance], h0.nbytes))


def aaf_case(side: int) -> Case:
    """Loss and gradients are found at once: what the backward pass adds is one product."""
    torch.manual_seed(0)
    logits = 2 * torch.randn(8, 21, side, side, device="cuda")
    labels = torch.randint(21, (8, side // 8 + 1, side // 8 + 1), device="cuda")
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :side, :side].contiguous()
    rest = (labels, *torch.ones(2, 21, 3, device="cuda"), [1, 2, 3], 3.0, 255)
    forms: Forms = {
        "kernel": lambda logits: affinity_field(logits, *rest)[0],
        "in PyTorch": lambda logits: Scaled.apply(*affinity_field_by_slices(logits.detach(), *rest)[:2], logits),
    }
    least = 2 * logits.nbytes + labels.nbytes
    return Case(f"AAF 8×21×{side}×{side}, sizes 3, 5, 7", forms, [logits], (least, least))


class Scaled(torch.autograd.Function):
    """A loss whose gradient was found with it."""

    @staticmethod
    def forward(ctx, loss, gradient, logits):
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return None, None, grad * ctx.saved_tensors[0]


def agreement(case: Case) -> float:
    """The largest difference of results and gradients, relative to the largest value of each."""
    ours, *others = (with_backward(form, case.inputs) for form in case.forms.values())
    pairs = [pair for other in others for pair in zip(ours, other, strict=True)]
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    assert worst < 1e-3, (case.name, worst)
    return worst


def megabytes(form: Callable[..., Tensor], inputs: list[Tensor]) -> float:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with_backward(form, inputs)
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def rows(case: Case, speed: float) -> list[str]:
    lines = ["", f"## {case.name}", "", f"Largest relative difference: {agreement(case):.0e}.", ""]
    lines += ["| pass | form | ms | ms, of kernel | GB/s | of the copy | peak MB |", "|---|---|--:|--:|--:|--:|--:|"]
    for word, run, least in zip(("forward", "with backward"), (forward, with_backward), case.bytes, strict=True):
        times = {name: milliseconds(lambda f=form, r=run: r(f, case.inputs)) for name, form in case.forms.items()}
        for name, time in times.items():
            peak = f"{megabytes(case.forms[name], case.inputs):.0f}" if word == "with backward" else ""
            rate = least / time / 1e6
            numbers = f"{time:.3f} | {time / times['kernel']:.1f} | {rate:.0f} | {rate / speed:.0%}"
            lines.append(f"| {word} | {name} | {numbers} | {peak} |")
    return lines


def copy_speed() -> float:
    """GB/s of a copy of 1 GB, read and written."""
    source = torch.randn(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / milliseconds(lambda: target.copy_(source)) / 1e6


def page() -> str:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    speed = copy_speed()
    cases: list[Callable[[], Case]] = [
        *(lambda b=b, d=d: spn_case(b, d) for d in ("left_to_right", "top_to_bottom") for b in (1, 64)),
        *(lambda b=b: cspn_case(b) for b in (1, 8)),
        *(lambda side=side: aaf_case(side) for side in (65, 129)),
    ]
    lines = [
        "# Learned affinity on a GPU: time and memory",
        "",
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Triton {triton.__version__}, float32. A copy",
        f"moves {speed:.0f} GB/s, read and written; *GB/s* counts what cannot be done without: each input, output and",
        "gradient once. Times are medians by the GPU's events. They hold what the GPU waits for launches from Python,",
        "which is most of the small cases. *with backward* is forward and backward; peak memory is beyond the inputs.",
    ]
    for make in cases:
        lines += rows(make(), speed)
        torch.cuda.empty_cache()
    lines += ["", "Made by `python benchmarks/affinity_gpu.py --out docs/affinity_speed_gpu.md`."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = page()
    print(text)
    if options.out:
        write_text(options.out, text)
