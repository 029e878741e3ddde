"""A run that is killed, again and again and at any moment, ends with the same bits as one that was not."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ARGUMENTS = """
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs 6 --batch-size 2
    --crop-size 32 --precision float32 --memory-format contiguous
""".split()  # noqa: SIM905


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "intarsia", "train", str(data), "--out", str(out), *ARGUMENTS, *more]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_runs_resume_to_the_same_bits(discs: Path, tmp_path: Path) -> None:
    start = time.perf_counter()
    subprocess.run(command(discs, tmp_path / "whole"), check=True, capture_output=True)
    whole = time.perf_counter() - start
    generator, killed = random.Random(0), 0
    out = tmp_path / "killed"
    for _ in range(4):
        begun = (out / "recipe.json").exists()
        process = subprocess.Popen(
            command(discs, out, *(["--resume"] if begun else [])), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=generator.uniform(0.6, 1.0) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    subprocess.run(command(discs, out, "--resume"), check=True, capture_output=True)
    assert killed > 0
    for name in ("checkpoint.safetensors", "weights.safetensors"):
        expected, found = load_file(tmp_path / "whole" / name), load_file(out / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name
    assert not list(out.rglob(".*")), "temporary files of killed writers are cleared"
