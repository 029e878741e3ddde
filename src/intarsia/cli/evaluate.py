"""`intarsia evaluate`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from intarsia.cli.progress import each_image
from intarsia.data.decoding import MAX_PIXELS

if TYPE_CHECKING:
    from intarsia.data import Dataset, Sample
    from intarsia.inference import Borders, BothScores, Result, Segmenter
    from intarsia.metrics import Scores
    from intarsia.shapes import Mask


def evaluate(
    run: Path,
    data: str,
    /,
    *,
    split: str | None = None,
    boundary: str | None = None,
    report: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    skip: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    tta: bool = False,
    tta_scales: str | None = None,
    tile: int | None = None,
    refine: bool = True,
    measuring: str | None = None,
    seed: int | None = None,
) -> None:
    """Score a trained run on a split of a dataset, at full resolution; if it holds a refinement, before and after it.

    A run that completes depths is scored beside what fills them without learning.

    Args:
        run: The run folder.
        data: The dataset, as for train.
        split: train, val or test; by default val.
        boundary: Also score borders, at these distances in pixels, such as 1,2,3,5.
        report: Also write a page with all scores and the worst images first.
        as_json: Print JSON instead of a table.
        skip: A list of files to leave out.
        max_pixels: The largest image that is read.
        tta: Average over the scales 0.5, 0.75, 1, 1.25, 1.5, 1.75 and their mirror images.
        tta_scales: Average over these scales and their mirror images, such as 0.75,1,1.25.
        tile: The side in pixels of the tiles of images that are larger; by default very large ones only are tiled.
        refine: Refine the masks, if the run holds a refinement; one that was trained inside a network always does.
        measuring: Depth: what the network is told, 500 (pixels), grid:16, lines:32, own …; by default as in training.
        seed: Depth: of what is drawn, by default 0.
    """
    from intarsia.cli.depth import completes_depths, evaluate_depths, refuse

    if completes_depths(run):
        masks = {"--boundary": boundary is not None, "--tta": tta, "--tta-scales": tta_scales is not None}
        refuse(run, {**masks, "--no-refine": not refine}, depth=True)
        evaluate_depths(run, data, split, report, as_json, skip, max_pixels, tile, measuring, seed or 0)
        return
    refuse(run, {"--measuring": measuring is not None, "--seed": seed is not None}, depth=False)

    from intarsia.cli.views import radii_of, views_of
    from intarsia.data.skipping import read_skip_list
    from intarsia.inference import Borders, load
    from intarsia.inference.evaluate import open_for
    from intarsia.runs import Run

    radii = None if boundary is None else radii_of(boundary)
    left_out = read_skip_list(skip, data) if skip else ()
    segmenter = load(run, views=views_of(tta, tta_scales), tile=tile, max_pixels=max_pixels, refine=refine)
    borders = None if radii is None else Borders(segmenter.classes, radii)
    dataset = open_for(segmenter, data, left_out)
    chosen = split or dataset.default_split
    if report is None:
        scores, both = _scores(segmenter, dataset.split(chosen), borders)
    else:
        scores, both = _reported(segmenter, dataset, chosen, borders, run, data, report)
    protocol = segmenter.protocol
    if not refine and Run(run).refinement_path.is_file():
        protocol = f"{protocol} The run's refinement is left out."
    print(_json(scores, both, borders, protocol) if as_json else _text(scores, both, borders, protocol))


def _json(scores: "Scores", both: "BothScores | None", borders: "Borders | None", protocol: str) -> str:
    said = {**scores.to_json(), "protocol": protocol}
    if both is not None:
        said |= {"before": both.before.to_json(), "images": both.images, "images_fitted": both.fitted}
    if borders is not None:
        said |= borders.scores.to_json()
    return json.dumps(said)


def _text(scores: "Scores", both: "BothScores | None", borders: "Borders | None", protocol: str) -> str:
    tables = [scores.table() if both is None else both.table()]
    if borders is not None:
        tables.append(borders.scores.table())
    return "\n\n".join(tables) + f"\n{protocol}"


def _scores(
    segmenter: "Segmenter", samples: "Sequence[Sample]", borders: "Borders | None"
) -> "tuple[Scores, BothScores | None]":
    """The scores of the answers, and those before and after a refinement if there is one."""
    from intarsia.inference import evaluate_both, evaluate_samples

    with each_image("evaluating", len(samples)) as counted:

        def watch(sample: "Sample", result: "Result", truth: "Mask", scores: "Scores") -> None:
            if borders is not None:
                borders.watch(sample, result, truth, scores)
            counted()

        if segmenter.refinement is None:
            return evaluate_samples(segmenter, samples, watch), None
        both = evaluate_both(segmenter, samples, watch)
        return both.after, both


def _reported(
    segmenter: "Segmenter",
    dataset: "Dataset",
    split: str,
    borders: "Borders | None",
    run: Path,
    data: str,
    page: Path,
) -> "tuple[Scores, BothScores | None]":
    """Likewise, and a page about them."""
    from intarsia.diagnostics.report.run_report import report_on_run

    with each_image("evaluating", len(dataset.split(split))) as counted:
        told = report_on_run(
            run, data, page, split=split, segmenter=segmenter, dataset=dataset, borders=borders, watch=counted
        )
    return told.network, told.refined
