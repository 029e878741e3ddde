"""A run that completes depths, evaluated and told on one page."""

import math
from collections.abc import Mapping
from pathlib import Path

from intarsia.data.depth import Depth, DepthDataset, DepthSample, Measuring, open_depth
from intarsia.data.depth.measured import chosen_measuring, measured_words
from intarsia.data.pictures import as_rgb
from intarsia.diagnostics.report.depth_page import DepthPage, write_depth_report
from intarsia.diagnostics.report.depth_pictures import DepthExample
from intarsia.diagnostics.report.run_facts import commands_of, network_facts, trained_sentence
from intarsia.inference.depth import DepthEstimator, DepthResult, evaluate_depth, load_depth
from intarsia.inference.depth.evaluate import NETWORK, DepthWatcher
from intarsia.metrics.depth import DepthScores
from intarsia.runs import Run

WORST = 12  # images on the page


def report_on_depth(
    run_folder: str | Path,
    data: str | Path,
    page: str | Path,
    *,
    split: str | None = None,
    estimator: DepthEstimator | None = None,
    dataset: DepthDataset | None = None,
    measuring: Measuring | None = None,
    seed: int = 0,
    watch: DepthWatcher | None = None,
) -> dict[str, DepthScores]:
    """Evaluate a run on a split (default ``val``), write ``page``, and return the scores of network and fills.

    ``estimator`` is the loaded run, if it shall answer in another way than by default, and ``dataset`` the data, if
    they are open already or some files shall be left out. ``measuring``, ``seed`` and ``watch`` are those of
    :func:`evaluate_depth`.

    Raises:
        RunError: the folder is no finished run of depths.
        DataError: the data break a rule, or there is no such split.
    """
    run, estimator = Run.open(run_folder), estimator or load_depth(run_folder)
    dataset = dataset or open_depth(data, estimator.pixels, max_pixels=estimator.max_pixels)
    name = split or dataset.default_split
    samples, examples = dataset.split(name), _Worst(watch)
    scores = evaluate_depth(estimator, samples, measuring, seed, watch=examples.watch)
    options = [*(["--split", split] if split else []), *(["--measuring", str(measuring)] if measuring else [])]
    options += ["--seed", str(seed)] if seed else []
    told = measured_words(chosen_measuring(samples, measuring or estimator.measuring), seed)
    write_depth_report(
        page,
        DepthPage(
            title=f"{dataset.name}: {run.network().model}",
            sentence=f"{trained_sentence(run, data, name, len(samples))} {told}",
            facts=[*network_facts(run), ("Data", dataset.layout), ("Protocol", estimator.protocol)],
            history=[{k: v for k, v in epoch.items() if isinstance(v, (int, float))} for epoch in run.history()],
            scores=scores,
            examples=examples.kept,
            commands=commands_of(run, data, *options),
        ),
    )
    return scores


class _Worst:
    """Keeps the images with the largest RMSE, and shows all of them to another."""

    def __init__(self, other: DepthWatcher | None = None) -> None:
        self.kept: list[DepthExample] = []
        self._other = other

    def watch(self, sample: DepthSample, result: DepthResult, truth: Depth, scores: Mapping[str, DepthScores]) -> None:
        if self._other is not None:
            self._other(sample, result, truth, scores)
        rmse = scores[NETWORK].rmse
        image = as_rgb(result.image)
        self.kept.append(DepthExample(sample.name, image, result.measured, truth, result.depth, rmse))
        # an image without a single true depth has no error, and is the least interesting
        ranked = sorted(self.kept, key=lambda one: (math.isnan(one.rmse), -one.rmse))
        self.kept = [example.shrunk() for example in ranked[:WORST]]
