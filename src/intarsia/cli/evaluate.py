"""`intarsia evaluate`."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intarsia.data.decoding import MAX_PIXELS


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

    from intarsia.cli.views import numbers_of, views_of
    from intarsia.data.skipping import read_skip_list
    from intarsia.diagnostics.report.run_report import report_on_run
    from intarsia.inference import Borders, evaluate_both, load
    from intarsia.inference import evaluate as score
    from intarsia.inference.evaluate import open_for
    from intarsia.runs import Run

    left_out = read_skip_list(skip, data) if skip else ()
    segmenter = load(run, views=views_of(tta, tta_scales), tile=tile, max_pixels=max_pixels, refine=refine)
    borders = Borders(segmenter.classes, numbers_of("--boundary", boundary)) if boundary is not None else None
    watch = None if borders is None else borders.watch
    both = None
    if report is not None:
        told = report_on_run(run, data, report, split=split, segmenter=segmenter, skip=left_out, borders=borders)
        scores, both = told.network, told.refined
    elif segmenter.refinement is not None:
        dataset = open_for(segmenter, data, left_out)
        both = evaluate_both(segmenter, dataset.split(split or dataset.default_split), watch)
        scores = both.after
    else:
        scores = score(segmenter, data, split, watch, skip=left_out)
    said, text = {**scores.to_json(), "protocol": segmenter.protocol}, scores.table()
    if both is not None:
        said |= {"before": both.before.to_json(), "images": both.images, "images_fitted": both.fitted}
        text = both.table()
    if borders is not None:
        said |= borders.scores.to_json()
        text = f"{text}\n\n{borders.scores.table()}"
    if not refine and Run(run).refinement_path.is_file():
        said["protocol"] = f"{segmenter.protocol} The run's refinement is left out."
    print(json.dumps(said) if as_json else f"{text}\n{said['protocol']}")
