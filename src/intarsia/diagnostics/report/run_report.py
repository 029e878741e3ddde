"""A trained run, evaluated and told on one page."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from intarsia.data import Dataset, Sample
from intarsia.data.pictures import as_rgb
from intarsia.diagnostics.report.linear_baseline import fit_linear_baseline
from intarsia.diagnostics.report.page import Report, write_report
from intarsia.diagnostics.report.pictures import Example
from intarsia.diagnostics.report.run_facts import commands_of, network_facts, trained_sentence
from intarsia.inference import Borders, BothScores, Result, Segmenter, evaluate_both, evaluate_samples, load
from intarsia.inference.evaluate import Watcher, open_for
from intarsia.metrics import Scores, confusion_matrix
from intarsia.runs import Recipe, Run
from intarsia.runs.settings import REFINERS
from intarsia.shapes import Mask

WORST = 12  # images on the page


class RunScores(NamedTuple):
    """Scores of a run, and of a linear classifier of single pixels on the same images.

    ``refined`` holds those before and after the run's refinement, if there is one; ``network`` are those after it.
    """

    network: Scores
    baseline: Scores | None
    refined: BothScores | None = None


def report_on_run(
    run_folder: str | Path,
    data: str | Path,
    page: str | Path,
    *,
    split: str | None = None,
    segmenter: Segmenter | None = None,
    dataset: Dataset | None = None,
    borders: Borders | None = None,
    watch: Watcher | None = None,
) -> RunScores:
    """Evaluate a run on a split (default ``val``), write ``page``, and return the scores.

    ``segmenter`` is the loaded run, if it shall answer in another way than by default, and ``dataset`` the data, if
    they are open already or some files shall be left out. ``borders`` sees each image too, and the page says what came
    out; so does ``watch``, as of :func:`intarsia.evaluate`.

    Where there is a training split, a linear classifier on the intensities and gradients of each pixel is fitted to it
    and scored on the same images: what a network is worth is what it has over that.
    """
    run, segmenter = Run.open(run_folder), segmenter or load(run_folder)
    dataset = dataset or open_for(segmenter, data)
    name = split or dataset.default_split
    others = [other for other in (borders and borders.watch, watch) if other is not None]
    samples, examples = dataset.split(name), _Worst(*others)
    both = None if segmenter.refinement is None else evaluate_both(segmenter, samples, examples.watch)
    scores = evaluate_samples(segmenter, samples, examples.watch) if both is None else both.after
    baseline = _linear_scores(dataset, samples) if dataset.splits.get("train") else None
    write_report(
        page,
        Report(
            title=f"{dataset.name}: {run.network().model}",
            sentence=_sentence(run, data, name, len(samples)),
            facts=[*network_facts(run), ("Protocol", segmenter.protocol), *_gain(both), *_borders(borders)],
            history=[{k: v for k, v in epoch.items() if isinstance(v, (int, float))} for epoch in run.history()],
            scores=scores,
            baseline=baseline,
            classes=segmenter.classes,
            examples=examples.kept,
            commands=commands_of(run, data),
        ),
    )
    return RunScores(scores, baseline, both)


class _Worst:
    """Keeps the images with the lowest mean IoU, and shows all of them to others."""

    def __init__(self, *others: Watcher) -> None:
        self.kept: list[Example] = []
        self._others = others

    def watch(self, sample: Sample, result: Result, truth: Mask, scores: Scores) -> None:
        for watch in self._others:
            watch(sample, result, truth, scores)
        self.kept.append(Example(sample.name, as_rgb(result.image), truth, result.mask, scores.mean_iou))
        # an image without a single valid pixel has no score, and is the least interesting
        ranked = sorted(self.kept, key=lambda example: (math.isnan(example.mean_iou), example.mean_iou))
        self.kept = [example.shrunk() for example in ranked[:WORST]]


def _linear_scores(dataset: Dataset, samples: Sequence[Sample]) -> Scores:
    count, names = dataset.classes.count, dataset.classes.names
    linear = fit_linear_baseline(dataset.split("train"), count)
    total = None
    for sample in samples:
        matrix = confusion_matrix(sample.mask(), linear.predict(as_rgb(sample.image())), count, dataset.classes.ignore)
        total = Scores(matrix, names) if total is None else total + Scores(matrix, names)
    assert total is not None
    return total


def _sentence(run: Run, data: str | Path, split: str, images: int) -> str:
    record, recipe = run.network(), Recipe.read(run.recipe_path)
    refiner = REFINERS[record.refiner] if record.refiner else ""
    if recipe.train == "refiner":
        refined = f" stayed as `{recipe.weights}` brought it, while {refiner} behind it"
    else:
        refined = f", refined by {refiner} that learned with it," if refiner else ""
    return trained_sentence(run, data, split, images, refined)


def _gain(both: BothScores | None) -> list[tuple[str, str]]:
    if both is None:
        return []
    told = f"{both.before.mean_iou:.4f} → {both.after.mean_iou:.4f}"
    return [("Mean IoU before and after the refinement", f"{told}; {both.fitted} of {both.images} images chose it")]


def _borders(borders: Borders | None) -> list[tuple[str, str]]:
    if borders is None:
        return []
    rows = (("Boundary F", borders.scores.boundary_f), ("Trimap IoU", borders.scores.trimap_iou))
    return [(name, ", ".join(_at(radius, value) for radius, value in row.items())) for name, row in rows]


def _at(radius: float, value: float) -> str:
    return f"{'–' if math.isnan(value) else f'{value:.4f}'} at {radius:g} px"
