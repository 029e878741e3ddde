"""What an affinity costs: a prediction and a training step with and without it, taken in turns in one process."""

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from intarsia.ablations.costs import megabytes_kept_by
from intarsia.ablations.mosaics import JUDGING
from intarsia.ablations.trials import Trial
from intarsia.files import write_text

if TYPE_CHECKING:
    from intarsia.training.loop import Loop

TURNS = 12


@dataclass(frozen=True)
class AffinityCost:
    """With one thread; nothing is trained for what was fitted.

    Parameters of the network; milliseconds of predicting one mosaic; milliseconds of a training step, optimiser
    included, and megabytes that its forward pass keeps for the backward pass.
    """

    parameters: int
    prediction_ms: float
    step_ms: float | None
    kept_mb: float | None


_Costs = TypeAdapter(dict[str, AffinityCost])


def measure_affinity(trials: Sequence[Trial], path: Path) -> Mapping[str, AffinityCost]:
    """By the trials' names, all of whose runs are there; read from ``path`` if it holds them all, else written."""
    try:
        kept = _Costs.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        kept = {}
    if any(trial.name not in kept for trial in trials):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            kept = process.submit(costs_of, trials).result()
        write_text(path, json.dumps({name: asdict(cost) for name, cost in kept.items()}, indent=2) + "\n")
    return kept


def costs_of(trials: Sequence[Trial], turns: int = TURNS) -> dict[str, AffinityCost]:
    """Measure in this process: each in turn, several times over, and the least of each."""
    import torch

    from intarsia.inference import load

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image = trials[0].mosaics.unseen(JUDGING, 1)[0].image()
    segmenters = [load(trial.folder, "cpu") for trial in trials]
    predictions = least_seconds([lambda s=segmenter: s.predict(image) for segmenter in segmenters], turns)
    steps = {trial.name: _Step(trial) for trial in trials if not trial.variant.fitted}
    seconds = dict(zip(steps, least_seconds(list(steps.values()), turns), strict=True))
    torch.set_num_threads(threads)
    return {
        trial.name: AffinityCost(
            sum(parameter.numel() for parameter in segmenter.net.parameters()),
            1e3 * prediction,
            1e3 * seconds[trial.name] if trial.name in seconds else None,
            steps[trial.name].kept_mb() if trial.name in steps else None,
        )
        for trial, segmenter, prediction in zip(trials, segmenters, predictions, strict=True)
    }


def least_seconds(works: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """Of the processor, for each; the first turn, which compiles and fills caches, does not count.

    >>> [round(seconds) for seconds in least_seconds([lambda: None, lambda: None], turns=2)]
    [0, 0]
    """
    least = [float("inf")] * len(works)
    for turn in range(1 + turns):
        for place, work in enumerate(works):
            began = time.process_time()
            work()
            if turn > 0:
                least[place] = min(least[place], time.process_time() - began)
    return least


class _Step:
    """The first step of a trial's training, taken again and again."""

    def __init__(self, trial: Trial) -> None:
        from intarsia.runs import Run, make_conduct
        from intarsia.training.preparation import prepare
        from intarsia.training.progress import Silent

        before = None if trial.before is None else trial.before.folder
        recipe = trial.variant.recipe(trial.mosaics, trial.data, trial.seed, before)
        preparation = prepare(recipe, make_conduct(check=False), Silent())
        record = Run(trial.folder).network()
        self.state = preparation.first_state(record)
        self.loop: Loop = preparation.loop(Run(trial.folder), record, self.state, Silent())
        self.prepared, loader = self.loop.prepared(self.state)
        self.batch = next(iter(loader))

    def __call__(self) -> None:
        self.loop.step(self.state, self.prepared, self.batch)

    def kept_mb(self) -> float:
        return megabytes_kept_by(self.state.net, self)
