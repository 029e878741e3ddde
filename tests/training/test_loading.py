"""Loading processes: they start beside parallel kernels, and end with the training."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from parallel import ShadedSample, shade

from intarsia.data import Augmentation
from intarsia.training.loading import AugmentedSamples, batch_loader, delivered
from intarsia.training.samplers import StepBatches

HERE = Path(__file__).parents[1]
FORKED = """
import os
from parallel import shade
shade(8, 8)
child = os.fork()
if child == 0:
    shade(8, 8)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.timeout(300)
def test_loading_processes_start_after_a_parallel_kernel_ran() -> None:
    """GNU OpenMP ends the forked child of a process that has run a parallel loop; these children are not forked."""
    shade(8, 8)
    samples = [ShadedSample(f"ramp {i}") for i in range(6)]
    augmentation = Augmentation(crop_size=(32, 32), scale=(0.9, 1.1))
    dataset = AugmentedSamples(samples, augmentation, seed=3)
    batches = StepBatches(images=6, batch_size=2, epochs=1, seed=3)
    here, there = (list(delivered(batch_loader(dataset, batches, workers))) for workers in (0, 2))
    assert len(there) == 3
    for ours, theirs in zip(here, there, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU OpenMP is Linux's")
def test_a_forked_process_would_die() -> None:
    """What the test above guards against; if this ever fails, numba's threads survive a fork and forking is fine."""
    path = os.pathsep.join([str(HERE), *sys.path])
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "omp", "NUMBA_NUM_THREADS": "2", "PYTHONPATH": path}
    ended = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, env=environment)
    assert ended.returncode != 0
    assert "fork() called from a process already using GNU OpenMP" in ended.stderr
