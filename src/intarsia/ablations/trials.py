"""One training of one variant with one seed, and its scores."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from intarsia.ablations.mosaics import CHOOSING, Mosaics
from intarsia.ablations.scoring import SCORES
from intarsia.ablations.variant import Variant
from intarsia.ablations.work import Result, Work, machine, trained
from intarsia.data import write_folder
from intarsia.runs import Run

CHOSEN_ON = 16  # mosaics that choose the settings of a dense CRF; as many others accept them


@dataclass(frozen=True)
class Trial(Work):
    """A variant and a seed, and where what they come to is kept."""

    variant: Variant
    mosaics: Mosaics
    seed: int
    runs: Path

    @property
    def kind(self) -> str:
        """What the names of other seeds begin with, too."""
        return self.variant.key(self.mosaics)

    @property
    def before(self) -> "Trial | None":
        """The one whose weights this one begins with."""
        return None if self.variant.after is None else replace(self, variant=self.variant.after)

    @property
    def data(self) -> Path:
        """The mosaics' folder."""
        return self.runs / self.mosaics.name

    def result(self) -> Result | None:
        """What is kept, if it holds all scores that the variant asks for."""
        kept = self.kept()
        return kept if kept and not self.missing(kept) else None

    def missing(self, result: Result) -> list[str]:
        """Scores that the variant asks for and the result has not."""
        return [name for name in self.variant.scores if name not in result.scores]

    def perform(self) -> Result:
        """As :func:`perform`."""
        return perform(self)

    def told(self, result: Result) -> str:
        """What was trained, and what came out."""
        what = f"{self.variant.settings['model']}, {self.variant.label}, seed {self.seed}"
        return f"{what}: mean IoU {result.scores['mean_iou']:.3f}"


def prepare_data(mosaics: Mosaics, runs: Path) -> None:
    """Write the mosaics that all trainings share, unless they are there."""
    folder = runs / mosaics.name
    if not folder.exists():
        write_folder(mosaics.dataset(), folder)


def perform(trial: Trial) -> Result:
    """Train, unless that was done; take the scores that are missing; keep the result."""
    from intarsia.inference import load

    result = trial.kept()
    if result is None or (trial.missing(result) and not Run(trial.folder).weights_path.exists()):
        result = _fitted(trial) if trial.variant.fitted else _trained(trial)
    missing = trial.missing(result)
    if missing:
        segmenter, taken = load(trial.folder), dict(result.scores)
        for name in missing:
            take = SCORES[name].take
            assert take is not None, f"the training takes {name}"
            taken[name] = take(segmenter, trial.mosaics)
        result = replace(result, scores=taken)
    return trial.keep(result)


def _trained(trial: Trial) -> Result:
    """From the beginning, or from what the trial before left."""
    before = None if trial.before is None else _left_by(trial.before)
    recipe = trial.variant.recipe(trial.mosaics, trial.data, trial.seed, before)
    run = trained(recipe, trial.folder, trial.variant.processes)
    last = run.history()[-1]
    scores = {"mean_iou": last["mean_iou"], "pixel_accuracy": last["pixel_accuracy"]}
    return Result(scores, last["loss"], last["seconds"], machine())


def _left_by(trial: Trial) -> Path:
    """The run of a trial that others go on from; it is done now if it was not."""
    if trial.kept() is None or not Run(trial.folder).weights_path.exists():
        perform(trial)
    return trial.folder


def _fitted(trial: Trial) -> Result:
    """A copy of the run that the trial before left, and a dense CRF behind it."""
    from intarsia.inference import evaluate, load
    from intarsia.inference.fitting import fit_refinement

    assert trial.before is not None, "there is a run to put it behind"
    shutil.rmtree(trial.folder, ignore_errors=True)
    shutil.copytree(_left_by(trial.before), trial.folder)
    samples = trial.mosaics.unseen(CHOOSING, 2 * CHOSEN_ON)
    found = fit_refinement(load(trial.folder, refine=False), samples, "unseen mosaics", "val", images=CHOSEN_ON)
    if found.improves:  # else a run gets none, as with `intarsia refine --fit`
        found.refinement.write(Run(trial.folder).refinement_path)
    scores = evaluate(trial.folder, trial.data)
    named = {name: getattr(scores, name) for name in ("mean_iou", "pixel_accuracy")}
    return replace(perform(trial.before), scores=named, seconds=found.fit.seconds)
