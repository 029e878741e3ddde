"""One training of one variant with one seed: done once, and kept as one small file."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intarsia.ablations.variant import Mosaics, Variant
from intarsia.data import write_folder
from intarsia.files import write_text

SAVE_NEVER = 1e9  # minutes: an interrupted trial is done again


@dataclass(frozen=True)
class Result:
    """What a trial came to: scores by name, and how long the training took."""

    scores: Mapping[str, float]
    loss: float
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A variant and a seed, and where what they come to is kept."""

    variant: Variant
    mosaics: Mosaics
    seed: int
    runs: Path

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.variant.key(self.mosaics)}-seed{self.seed}"

    @property
    def data(self) -> Path:
        """The mosaics' folder."""
        return self.runs / self.mosaics.name

    @property
    def folder(self) -> Path:
        """The run."""
        return self.runs / "trainings" / self.name

    @property
    def path(self) -> Path:
        """The result."""
        return self.runs / "results" / f"{self.name}.json"

    def result(self) -> Result | None:
        """What is kept, if that is whole and holds all scores that the variant asks for."""
        try:
            result = TypeAdapter(Result).validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return result if {score_at(scale) for scale in self.variant.scales} <= result.scores.keys() else None


def score_at(scale: float) -> str:
    """The name of the mean IoU on mosaics whose regions are so many times as large."""
    return f"mean_iou_at_{scale:g}"


def prepare_data(mosaics: Mosaics, runs: Path) -> None:
    """Write the mosaics that all trainings share, unless they are there."""
    folder = runs / mosaics.name
    if not folder.exists():
        write_folder(mosaics.dataset(), folder)


def perform(trial: Trial) -> Result:
    """Train from the beginning, score, and keep the result; of the run the weights stay, without the checkpoint."""
    from intarsia.training import train

    shutil.rmtree(trial.folder, ignore_errors=True)
    recipe = trial.variant.recipe(trial.mosaics, trial.data, trial.seed)
    run = train(recipe, out=trial.folder, quiet=True, check=False, checkpoint_minutes=SAVE_NEVER)
    last = run.history()[-1]
    scores = {"mean_iou": last["mean_iou"], "pixel_accuracy": last["pixel_accuracy"]} | _at_scales(trial)
    result = Result(scores, last["loss"], last["seconds"])
    write_text(trial.path, json.dumps(asdict(result), indent=2) + "\n")
    run.checkpoint_path.unlink()
    return result


def _at_scales(trial: Trial) -> dict[str, float]:
    """Mean IoU on mosaics with other object sizes."""
    if not trial.variant.scales:
        return {}
    from intarsia.inference import evaluate_samples, load

    segmenter = load(trial.folder)
    scales = {scale: trial.mosaics.at_scale(scale).split("val") for scale in trial.variant.scales}
    return {score_at(scale): evaluate_samples(segmenter, samples).mean_iou for scale, samples in scales.items()}
