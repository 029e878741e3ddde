"""A run that is killed, again and again and at any moment, ends with the same bits as one that was not.

Real processes are killed with SIGKILL at random moments, some before their first step, most within an epoch, some in
the middle of a save. ``INTARSIA_KILLS=10 pytest tests/training/test_kill.py -s`` kills ten times and tells when.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import same_runs, saved_step

KILLS = int(os.environ.get("INTARSIA_KILLS", "3"))
STEPS = 120  # of six images two a step: forty epochs
ARGUMENTS = f"""
    --model unet --backbone test_resnet --options.widths 8,8,8,8,8 --no-pretrained --epochs {STEPS // 3} --batch-size 2
    --crop-size 32 --precision float32 --memory-format contiguous
""".split()


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "intarsia", "train", str(data), "--out", str(out), *ARGUMENTS, *more]


def wait_for_step(process: subprocess.Popen[bytes], out: Path, step: int) -> None:
    """Until that step is saved, or the process has ended by itself."""
    while process.poll() is None and saved_step(out) < step:
        time.sleep(0.001)


def ended_with_it(process: subprocess.Popen[bytes]) -> bool:
    """Whether every process of the training's session is gone within a minute."""
    for _ in range(600):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_runs_resume_to_the_same_bits(discs: Path, tmp_path: Path, workers: int) -> None:
    whole, out = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(discs, whole, "--workers", str(workers)), check=True, capture_output=True)
    generator, moments = random.Random(workers), []
    for step in sorted(generator.sample(range(STEPS - 30), KILLS)):
        often = ["--checkpoint-minutes", "0", "--workers", str(workers)]
        more = [*often, "--resume"] if (out / "recipe.json").exists() else often
        process = subprocess.Popen(
            command(discs, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_step(process, out, step)  # at once, while it still starts, if an earlier kill came late
        time.sleep(generator.uniform(0, 0.05))
        assert process.poll() is None, "it ended before it was killed: this machine is too busy for so few steps"
        process.kill()
        process.wait()
        assert ended_with_it(process), "loading processes must not outlive their training"
        moments.append(saved_step(out))
    print(f"{workers} workers, killed after steps {moments} of {STEPS}")
    last = subprocess.run(command(discs, out, "--resume"), check=True, capture_output=True, text=True)
    assert same_runs(whole, out), last.stderr
    assert 0 < moments[-1] < STEPS
    assert not list(out.rglob(".*partial*")), "temporary files of killed writers are cleared"
