"""`intarsia evaluate` and `intarsia predict` for runs that complete depths."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from intarsia.errors import ArgumentError

if TYPE_CHECKING:
    from intarsia.data.depth import DepthSample, Measuring
    from intarsia.inference.depth import DepthEstimator


def completes_depths(run: Path) -> bool:
    """Whether a folder is a run of `task: depth`; what is no run is left to those who open it."""
    from intarsia.runs import Run

    return Run(run).network_path.is_file() and Run(run).network().task == "depth"


def refuse(run: Path, given: Mapping[str, bool], depth: bool) -> None:
    """Options without effect.

    Args:
        run: the run folder.
        given: which options were given, by their names.
        depth: whether the run completes depths.

    Raises:
        ArgumentError: one was given.
    """
    option = next((name for name, is_given in given.items() if is_given), None)
    if option is not None:
        wants, is_one = ("segment", "completes depths") if depth else ("complete depths", "segments")
        raise ArgumentError(f"`{option}` is for runs that {wants}, and `{run}` {is_one}: leave it out.")


def refuse_depths(run: Path, sources: Sequence[str]) -> None:
    """A set of images with depths for a run that segments: depths are pictures, too, and would get masks.

    Raises:
        ArgumentError: a source is one.
    """
    from intarsia.data.depth.open import is_depth_source

    for source in sources:
        if is_depth_source(source):
            raise ArgumentError(
                f"`{source}` is a set of images with depths, and `{run}` segments: name the folder of its images alone."
            )


def evaluate_depths(
    run: Path,
    data: str,
    split: str | None,
    report: Path | None,
    as_json: bool,
    skip: Path | None,
    max_pixels: int,
    tile: int | None,
    measuring: str | None,
    seed: int,
) -> None:
    """Scores of the run and of the fills, side by side, and a page about them if one is asked for."""
    from intarsia.cli.progress import each_image
    from intarsia.data.depth import open_depth, parse_measuring
    from intarsia.data.depth.measured import chosen_measuring, measured_words
    from intarsia.data.skipping import read_skip_list
    from intarsia.diagnostics.report.depth_report import report_on_depth
    from intarsia.inference.depth import comparison, evaluate_depth, load_depth

    wanted = None if measuring is None else parse_measuring(measuring)
    left_out = read_skip_list(skip, data) if skip else ()
    estimator = load_depth(run, tile=tile, max_pixels=max_pixels)
    dataset = open_depth(data, estimator.pixels, skip=left_out, max_pixels=max_pixels)
    samples = dataset.split(split or dataset.default_split)
    chosen = chosen_measuring(samples, wanted or estimator.measuring)
    with each_image("evaluating", len(samples)) as watch:
        if report is None:
            scores = evaluate_depth(estimator, samples, wanted, seed, watch=watch)
        else:
            scores = report_on_depth(
                run, data, report, split=split, estimator=estimator, dataset=dataset, measuring=wanted, seed=seed,
                watch=watch,
            )  # fmt: skip
    counted = "Measured pixels count, too, if they have a truth."
    protocol = f"{measured_words(chosen, seed)} {counted} {estimator.protocol}"
    if as_json:
        network, *fills = scores.items()
        said = {
            **network[1].to_json(),
            "fills": {name: own.to_json() for name, own in fills},
            "measuring": None if chosen is None else str(chosen),
            "seed": seed,
            "images": len(samples),
        }
        said["protocol"] = f"{said['protocol']} {protocol}"
        print(json.dumps(said, allow_nan=False))
    else:
        print(f"{comparison(scores)}\n{protocol}")


def predict_depths(
    run: Path,
    sources: list[str],
    sparse: Path | None,
    split: str | None,
    out: Path,
    max_pixels: int,
    tile: int | None,
    measuring: str | None,
    seed: int,
) -> int:
    """Depths of images with measurements, or of a split of a set; the status is 1 if one could not be made."""
    from intarsia.cli.progress import progress
    from intarsia.data.depth import parse_measuring
    from intarsia.data.depth.camera import CAMERA_EXAMPLE
    from intarsia.data.depth.files import UNIT_FILE, read_unit
    from intarsia.data.depth.measured import measured_words
    from intarsia.inference.depth import load_depth, predict_depth_files
    from intarsia.inference.depth.targets import COLOURED, POINTS

    wanted = None if measuring is None else parse_measuring(measuring)
    estimator = load_depth(run, tile=tile, max_pixels=max_pixels)
    samples, chosen = _samples(estimator, sources, sparse, split, out, wanted)
    bad = 0
    with progress("predicting") as watch:
        for done, outcome in enumerate(predict_depth_files(estimator, samples, out, chosen, seed), 1):
            watch(done, len(samples))
            if outcome.complaint:
                bad += 1
                print(f"intarsia: {outcome.complaint}", file=sys.stderr)
    print(f"{len(samples) - bad} of {len(samples)} depth maps are in `{out}`", end="")
    if bad < len(samples):
        unit = read_unit(out)
        print(f", {unit:g} m a value; `{out / COLOURED}` shows them, `{out / POINTS}` holds them as points", end="")
    print(f". {measured_words(chosen, seed)}")
    if any(sample.camera() is None for sample in samples):
        place = "images/ and depth/" if sparse is None else f"`{sparse}` or in it"
        print(
            "No camera is stated, so that points are placed for a view of 53°: their angles are not to be trusted. "
            f"State it in {UNIT_FILE} beside {place}, in pixels, such as {CAMERA_EXAMPLE}.",
            file=sys.stderr,
        )
    return 1 if bad else 0


def _samples(
    estimator: "DepthEstimator",
    sources: list[str],
    sparse: Path | None,
    split: str | None,
    out: Path,
    wanted: "Measuring | None",
) -> tuple[Sequence["DepthSample"], "Measuring | None"]:
    """What is predicted, and how it is measured."""
    from intarsia.data.depth import open_depth
    from intarsia.data.depth.measured import chosen_measuring
    from intarsia.data.depth.open import is_depth_source
    from intarsia.data.source import is_sample
    from intarsia.inference.depth import find_measured

    if sparse is not None:
        given = {"--split": split, "--measuring": wanted}
        option = next((name for name, value in given.items() if value is not None), None)
        if option is not None:
            raise ArgumentError(
                f"`{option}` (={given[option]}) is for sets with depths, and `--sparse` for images: leave one out."
            )
        return find_measured(sources, sparse, out, estimator.pixels, estimator.max_pixels), None
    for source in sources:
        if not is_sample(source) and not is_depth_source(source):
            raise ArgumentError(
                f"`{source}` is no set of images with depths, and a few depths must be known: say in which folder "
                "measurements of these images lie, by `--sparse FOLDER`."
            )
    if len(sources) > 1:
        raise ArgumentError(f"`{sources[0]}` and `{sources[1]}` are two sets: predict one at a time.")
    dataset = open_depth(sources[0], estimator.pixels, max_pixels=estimator.max_pixels)
    samples = dataset.split(split or dataset.default_split)
    return samples, chosen_measuring(samples, wanted or estimator.measuring)
