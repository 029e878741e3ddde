"""One training for depth with one seed, judged beside the fills."""

import json
import os
import shutil
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from PIL import Image

from intarsia.ablations.depth import DepthVariant
from intarsia.ablations.work import Result, Work, machine, trained
from intarsia.data import generator_for
from intarsia.data.depth import Measuring, measure, open_depth, write_depth
from intarsia.data.depth.files import UNIT, UNIT_FILE
from intarsia.data.depth.motorcycle import motorcycle
from intarsia.files import write_text
from intarsia.metrics import DepthScores, depth_errors

METRE = 1e-4  # metres a value: what is written is off by less than a tenth of a millimetre
DRAWS = (100, 101, 102, 103)  # seeds of what is measured of the judged pictures; trainings validate with another
NETWORK = "network"


@dataclass(frozen=True)
class DepthTrial(Work):
    """A variant, how many depths are measured, and a seed; ``train`` cuttings of the scene to learn from."""

    variant: DepthVariant
    count: int
    seed: int
    train: int
    runs: Path

    @property
    def kind(self) -> str:
        """What the names of other seeds begin with, too."""
        return self.variant.key(self.count, self.train)

    @property
    def data(self) -> Path:
        """The cuttings' folder."""
        return self.runs / f"motorcycle_{self.train}"

    def perform(self) -> Result:
        """Train from the beginning, judge, keep the result and, of the run, the weights."""
        run = trained(self.variant.recipe(self.count, self.data, self.seed), self.folder)
        run.last_weights_path.unlink()  # one epoch: they are the best as well
        last = run.history()[-1]
        return self.keep(Result(judged(self.folder, self.count), last["loss"], last["seconds"], machine()))

    def told(self, result: Result) -> str:
        """What was trained, and what came out."""
        what = f"{self.variant.label}, {self.count} measured, seed {self.seed}"
        return (
            f"{what}: RMSE {result.scores[f'{NETWORK}.rmse']:.3f} m, linear fill {result.scores['linear.rmse']:.3f} m"
        )


def judged(run: Path, count: int) -> dict[str, float]:
    """Scores of a network and of the fills, as "linear.rmse": over the scene's two pictures and all draws together."""
    from intarsia.inference.depth import evaluate_depth, load_depth

    estimator, samples = load_depth(run), open_depth("sample:motorcycle").split("val")
    drawn = [evaluate_depth(estimator, samples, Measuring("count", count), seed) for seed in DRAWS]
    return {
        f"{name}.{score}": value
        for name in drawn[0]
        for score, value in _figures(reduce(add, (scores[name] for scores in drawn))).items()
    }


def beginning(count: int) -> dict[str, float]:
    """Scores of what the filled form begins with, and gives as long as it has learned nothing, of the same draws."""
    import torch

    from intarsia.layers.filling import pull_push

    measuring, samples = Measuring("count", count), open_depth("sample:motorcycle").split("val")
    total = []
    for seed in DRAWS:
        for index, sample in enumerate(samples):
            truth = sample.depth()
            measured = measure(truth, sample.image(), measuring, generator_for(seed, index))
            filled = pull_push(torch.from_numpy(measured)[None, None])[0, 0].numpy()
            total.append(DepthScores(depth_errors(truth, filled)))
    return _figures(reduce(add, total))


def _figures(scores: DepthScores) -> dict[str, float]:
    deltas = {f"delta_{threshold}": share for threshold, share in scores.delta.items()}
    return {"rmse": scores.rmse, "mae": scores.mae, "rel": scores.rel, **deltas}


def prepare_cuttings(trial: DepthTrial) -> None:
    """Write the cuttings that all trainings share, whole or not at all, unless they are there."""
    if trial.data.exists():
        return
    temporary = trial.data.with_name(f".{trial.data.name}.{os.getpid()}.partial")
    try:
        for split, samples in motorcycle(trial.train).splits.items():
            images, depths = (temporary / split / kind for kind in ("images", "depth"))
            for folder in (images, depths):
                folder.mkdir(parents=True)
            for sample in samples:
                Image.fromarray(sample.image()).save(images / f"{sample.name}.png", compress_level=1)
                write_depth(depths / f"{sample.name}.png", sample.depth(), METRE)
        write_text(temporary / UNIT_FILE, json.dumps({UNIT: METRE}) + "\n")
        temporary.rename(trial.data)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
