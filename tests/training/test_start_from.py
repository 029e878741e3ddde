"""A training that starts from another one's weights."""

import signal
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY, run_tiny

from intarsia.errors import Interrupted, RunError
from intarsia.training import loop, train


def test_a_run_starts_from_another_and_says_so(
    discs: Path, disc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0}
    run = train(data=str(discs), out=tmp_path / "run", **{**TINY, **still, "weights": str(disc_run)})
    captured = capsys.readouterr()
    assert "tensors fit, none is left new." in " ".join((captured.out + captured.err).split())
    assert run.network().weights_source == str(disc_run)
    before, after = load_file(disc_run / "weights.safetensors"), load_file(run.weights_path)
    for name in (name for name in before if name.endswith("weight")):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-6)


def test_a_resumed_run_does_not_start_anew(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = tmp_path / "source", loop.Loop.step
    copytree(disc_run, source)

    def step_then_interrupt(self: loop.Loop, *arguments: Any) -> tuple[float, float]:
        signal.raise_signal(signal.SIGINT)
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "step", step_then_interrupt)
        with pytest.raises(Interrupted):
            run_tiny(discs, tmp_path / "run", weights=str(source))
    (source / "weights.safetensors").unlink()
    assert run_tiny(discs, tmp_path / "run", weights=str(source), resume=True).weights_path.is_file()


def test_a_folder_that_is_no_run_is_refused(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a finished run"):
        run_tiny(discs, tmp_path / "run", weights=str(tmp_path))
