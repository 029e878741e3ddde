"""Training speed: the library's step against eager float32 loops over torchvision's and smp's networks.

    python benchmarks/training.py --out docs/training_speed.md
    python benchmarks/training.py --system unet --size 64 --batch 2 --steps 3 --json

First both must agree: with the same weights and images, the same loss and the same gradient. Then they are timed in
turn in one process, beside a product of bfloat16 matrices, and the medians are compared. The allocator's setting is
the process's, so each network has a process of its own, and the peer is timed with and without it. Peak memory is
taken in one process for each side. How long a training waits for its data is what its dry run says.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torchvision
from training_sides import SYSTEMS, Size, System, as_json, measure, peak

from intarsia.data import open_dataset, write_folder
from intarsia.files import write_text
from intarsia.inference.execution import Execution
from intarsia.runs import make_conduct, make_recipe
from intarsia.training import rehearse

WORKERS = (0, 1)


def in_a_process(arguments: list[str]) -> Any:
    """What this program prints with these arguments, in a process that has done nothing else."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def waiting(system: System, size: Size, precision: str, memory_format: str) -> dict[str, tuple[float, float]]:
    """Images/s of a training and the share of its time that it waits, by the number of loading processes."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_folder(open_dataset("sample:materials"), data)
        for workers in WORKERS:
            recipe = make_recipe(
                data=str(data),
                model=system.model,
                backbone=system.backbone,
                form=system.form,
                output_stride=system.output_stride,
                pretrained=False,
                batch_size=size.batch,
                crop_size=size.pixels,
                precision=precision,
                memory_format=memory_format,
                workers=workers,
            )
            dry = rehearse(recipe, out=Path(folder) / "run", conduct=make_conduct(check=False))
            found[str(workers)] = (size.batch / dry.step_seconds, dry.waited)
    return found


def all_of(name: str, size: Size, compiled: bool) -> dict[str, Any]:
    """Everything about one system, each part in a process of its own."""
    common = ["--system", name, "--size", str(size.pixels), "--batch", str(size.batch), "--steps", str(size.steps)]
    found = in_a_process([*common, "--part", "speed", *(["--compile"] if compiled else [])])
    how = ["--precision", found["precision"], "--memory-format", found["memory_format"]]
    found["peak"] = {side: in_a_process([*common, *how, "--part", side]) for side in ("peer", "ours")}
    found["waiting"] = in_a_process([*common, *how, "--part", "waiting"])
    return found


def one_part(part: str, system: System, size: Size, precision: Any, memory_format: Any, compiled: bool) -> str:
    if part == "speed":
        return as_json(measure(system, size, compiled))
    if part == "waiting":
        return json.dumps(waiting(system, size, precision, memory_format))
    return json.dumps(peak(system, part, size, Execution("cpu", precision, memory_format)))


def section(system: System, found: dict[str, Any], size: Size) -> list[str]:
    """One network: a row for each loop, then what its training waits for."""
    usual, rate = found["seconds"]["peer"], found["matrix_rate"]
    how = f"intarsia, {found['precision']}, {found['memory_format']}"
    names = {
        "peer": f"{system.peer}, eager float32",
        "kept": "the same, freed memory kept",
        "ours": how,
        "compiled": f"{how}, `--compile`",
    }
    rows = []
    for key, seconds in found["seconds"].items():
        memory = f"{found['peak'][key]:.0f}" if key in found["peak"] else ""
        reached = found["gflop"] / seconds
        rows.append(
            f"| {names[key]} | {seconds:.3f} | {size.batch / seconds:.2f} | {usual / seconds:.2f} | {reached:.0f} | "
            f"{reached / rate:.2f} | {memory} |"
        )
    beside = {"0": "in the process that computes", "1": "in one process beside it (`--workers 1`)"}
    waits = [
        f"{speed:.2f} images/s, {share:.1%} waiting, {beside[n]}" for n, (speed, share) in found["waiting"].items()
    ]
    return [
        f"## {system.title}",
        "",
        "| loop | s / step | images / s | ratio | GFLOP/s | of matrices | peak MB |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *rows,
        "",
        f"A step is {found['gflop']:.0f} GFLOP; bfloat16 matrices are multiplied at {rate:.0f} GFLOP/s in the same "
        f"process, in turn. Peak memory is {found['peak']['ours'] / found['peak']['peer']:.2f} of the peer's.",
        f"A training whose images are loaded: {'; '.join(waits)}.",
        f"Agreement before timing, same weights, float32: {found['agreement']}.",
        "",
    ]


def page(found: dict[str, dict[str, Any]], size: Size) -> str:
    """Markdown."""
    lines = [
        "# Training speed",
        "",
        f"Batch {size.batch}, {size.pixels}×{size.pixels}, 21 classes, one whole step: forward, backward, AdamW. "
        f"Medians of {size.steps} steps, {torch.get_num_threads()} threads, in one process; all but the first row in "
        "turn. *ratio* is how many times as fast as the eager loop. A step counts three times the multiply-adds of its "
        "forward pass, two operations each; *of matrices* is the share of the rate at which the machine multiplies "
        "bfloat16 matrices; zeros around a map count, though far dilated convolutions skip them, so that it may pass "
        f"1. *peak MB* is beyond imports, of {size.batch} images in three steps.",
        "",
        *(line for name, values in found.items() for line in section(SYSTEMS[name], values, size)),
        f"Made by `python benchmarks/training.py --out docs/training_speed.md` (torch {torch.__version__}, torchvision "
        f"{torchvision.__version__}, smp {smp.__version__}, {platform.machine()}).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--system", choices=SYSTEMS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--compile", action="store_true", help="also time torch.compile, which takes minutes to begin")
    parser.add_argument("--part", choices=("speed", "waiting", "peer", "ours"), help="of one system, in this process")
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--memory-format", default="channels_last")
    chosen = parser.parse_args()
    size = Size(chosen.batch, chosen.size, chosen.steps)
    if chosen.part:
        how = (chosen.precision, chosen.memory_format, chosen.compile)
        print(one_part(chosen.part, SYSTEMS[chosen.system], size, *how))
        return
    names = [chosen.system] if chosen.system else list(SYSTEMS)
    found = {name: all_of(name, size, chosen.compile) for name in names}
    text = page(found, size)
    print(json.dumps(found) if chosen.json else text)
    if chosen.out:
        write_text(chosen.out, text)


if __name__ == "__main__":
    main()
