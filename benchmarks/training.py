"""Training speed: the library's step against an eager float32 loop over smp's Unet-resnet34, in one process.

    python benchmarks/training.py --out docs/training_speed.md

First both must agree: with the same weights and images, the same loss and the same gradient. Then they are timed in
turn, and the medians are compared. The allocator setting is the process's, so the peer is timed with and without it.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from intarsia.files import write_text
from intarsia.inference.execution import Execution
from intarsia.losses import cross_entropy
from intarsia.models import create_model
from intarsia.training.allocator import keep_freed_memory
from intarsia.training.precision import executions, fastest

BATCH, SIZE, CLASSES, STEPS = 4, 256, 21, 12

Step = Callable[[], float]


def smps_step(net: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> Step:
    """What a tutorial does."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step() -> float:
        optimiser.zero_grad()
        loss = F.cross_entropy(net(images), masks)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def our_step(net: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor, execution: Execution) -> Step:
    """What `intarsia train` does."""
    execution.place(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

    def step() -> float:
        with execution.autocast():
            loss = cross_entropy(net(execution.place_images(images)), masks)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        return loss.item()

    return step


def agree(theirs: torch.nn.Module, ours: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor) -> str:
    """Give both the same weights; compare loss and gradient in float32."""
    tensors = [t for name, t in theirs.state_dict().items() if not name.startswith("encoder.fc")]
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    losses, gradients = [], []
    for net in (theirs, ours):
        loss = F.cross_entropy(net(images), masks)
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
        net.zero_grad()
    difference = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    assert abs(losses[0] - losses[1]) < 1e-5, losses
    assert difference < 1e-3, difference
    return f"loss {losses[0]:.6f} and {losses[1]:.6f}, relative difference of the gradients {difference:.1e}"


def times(*steps: Step) -> list[float]:
    """Median seconds of each step, taken in turn."""
    durations: list[list[float]] = [[] for _ in steps]
    for turn in range(STEPS + 2):
        for record, step in zip(durations, steps, strict=True):
            start = time.perf_counter()
            step()
            if turn >= 2:
                record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in durations]


def page() -> str:
    torch.manual_seed(0)
    images, masks = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    theirs = smp.Unet("resnet34", encoder_weights=None, classes=CLASSES).train()
    ours = create_model("unet", "resnet34", classes=CLASSES, form="smp").train()
    agreement = agree(theirs, ours, images, masks)
    peer = smps_step(theirs, images, masks)
    (as_usual,) = times(peer)
    keep_freed_memory()
    chosen = fastest(executions("cpu", "auto", "auto"), ours, images, lambda net, x: cross_entropy(net(x), masks))
    kept, own = times(peer, our_step(ours, images, masks, chosen))
    rows = [
        ("smp, eager float32", as_usual, 1.0),
        ("the same, freed memory kept", kept, as_usual / kept),
        (f"intarsia, {chosen.precision}, {chosen.memory_format}", own, as_usual / own),
    ]
    lines = [
        "# Training speed",
        "",
        f"U-Net on ResNet-34 (24.4 M parameters), batch {BATCH}, {SIZE}×{SIZE}, {CLASSES} classes, one whole step: "
        "forward, backward, AdamW.",
        f"Median of {STEPS} steps, {torch.get_num_threads()} threads, in one process, the last two in turn.",
        "",
        "| loop | s / step | images / s | ratio |",
        "|---|---|---|---|",
        *(f"| {name} | {s:.3f} | {BATCH / s:.2f} | {ratio:.2f} |" for name, s, ratio in rows),
        "",
        f"Agreement before timing, same weights, float32: {agreement}.",
        "",
        f"Made by `python benchmarks/training.py --out docs/training_speed.md` (torch {torch.__version__}, "
        f"smp {smp.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    text = page()
    print(text)
    if out:
        write_text(out, text)
