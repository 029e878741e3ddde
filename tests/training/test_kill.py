"""A run that is killed, again and again and at any moment, ends with the same bits as one that was not."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from intarsia.runs import Run

ARGUMENTS = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 6 --batch-size 2
    --crop-size 32 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "intarsia", "train", str(data), "--out", str(out), *ARGUMENTS, *more]


def finished_epochs(out: Path) -> int:
    """How many epochs a run has validated; -1 before it has begun."""
    if not (out / "network.json").exists():
        return -1
    return len(Run(out).history())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_runs_resume_to_the_same_bits(discs: Path, tmp_path: Path) -> None:
    subprocess.run(command(discs, tmp_path / "whole"), check=True, capture_output=True)
    generator, killed, out = random.Random(0), 0, tmp_path / "killed"
    for epochs in (0, 2, 4):
        more = ["--resume"] if (out / "recipe.json").exists() else []
        process = subprocess.Popen(command(discs, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and finished_epochs(out) < epochs:
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.1))
        killed += process.poll() is None
        process.kill()
        process.wait()
    subprocess.run(command(discs, out, "--resume"), check=True, capture_output=True)
    assert killed > 0
    for name in ("checkpoint.safetensors", "weights.safetensors"):
        expected, found = load_file(tmp_path / "whole" / name), load_file(out / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name
    assert not list(out.rglob(".*partial*")), "temporary files of killed writers are cleared"
