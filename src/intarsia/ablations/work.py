"""A training that is done once and kept as one small file, whatever is trained."""

import json
import os
import platform
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import intarsia
from intarsia.errors import RunError
from intarsia.files import write_text
from intarsia.runs import Recipe, Run

SAVE_NEVER = 1e9  # minutes: an interrupted training is done again


@dataclass(frozen=True)
class Result:
    """What a trial came to: scores by name, how long the training took, and the versions and machine (older: "")."""

    scores: Mapping[str, float]
    loss: float
    seconds: float
    taken_with: str = ""


class Work(ABC):
    """A trial: what is trained with which ``seed``, and below which folder of ``runs`` all of it is kept."""

    seed: int
    runs: Path

    @property
    @abstractmethod
    def kind(self) -> str:
        """What names of the same training with other seeds begin with."""

    @abstractmethod
    def perform(self) -> Result:
        """Do what is missing, and keep it."""

    @abstractmethod
    def told(self, result: Result) -> str:
        """What was done, and what came out."""

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.kind}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        """The run."""
        return self.runs / "trainings" / self.name

    @property
    def path(self) -> Path:
        """The result."""
        return self.runs / "results" / f"{self.name}.json"

    def kept(self) -> Result | None:
        """What is kept, if it is there and whole."""
        try:
            return TypeAdapter(Result).validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def result(self) -> Result | None:
        """What is kept, if nothing is missing."""
        return self.kept()

    def keep(self, result: Result) -> Result:
        """Write it, and give it back."""
        write_text(self.path, json.dumps(asdict(result), indent=2) + "\n")
        return result


def trained(recipe: Recipe, folder: Path, processes: int = 1) -> Run:
    """Trained from the beginning; of the run the weights stay, without the checkpoint.

    Raises:
        RunError: one of several processes failed.
    """
    from intarsia.training import train

    shutil.rmtree(folder, ignore_errors=True)
    if processes > 1:
        run = _trained_together(recipe, folder, processes)
    else:
        run = train(recipe, out=folder, quiet=True, check=False, checkpoint_minutes=SAVE_NEVER)
    run.checkpoint_path.unlink()
    return run


def _trained_together(recipe: Recipe, folder: Path, processes: int) -> Run:
    """In so many processes of one thread, as a user starts them."""
    path = folder.with_suffix(".json")
    recipe.write(path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    training = ["intarsia", "train", "--recipe", str(path), "--out", str(folder), "--no-check"]
    try:
        status, complaints = launched([*launcher, "-m", *training, "--checkpoint-minutes", str(SAVE_NEVER)])
    finally:
        path.unlink()
    if status:
        said = next((line for line in complaints.splitlines() if line.startswith("intarsia:")), complaints.strip())
        raise RunError(f"`{folder.name}` failed in {processes} processes: {said[-300:]}")
    return Run(folder)


def launched(command: Sequence[str]) -> tuple[int, str]:
    """The status of a command that starts processes of one thread, and what it complained of.

    After Ctrl-C, of which it learns from here, it is waited for: killed, it would leave its processes behind, which
    would go on to write where the same training begins anew.
    """
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=alone, start_new_session=True) as launcher:
        try:
            _, complaints = launcher.communicate()
        except BaseException:
            launcher.terminate()
            launcher.communicate()
            raise
    return launcher.returncode, complaints


def machine() -> str:
    """What a result is taken with."""
    import torch

    return f"intarsia {intarsia.__version__}, torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores"
