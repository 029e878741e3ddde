"""The data of a training: looked at as a whole before the first step, because a bad file is cheapest to meet then."""

from intarsia.data import Dataset, open_classified, open_dataset
from intarsia.data.checking import DepthReport, Report, check, check_depth
from intarsia.data.depth import DEPTH_SAMPLES, DepthDataset, open_depth
from intarsia.data.depth.open import is_depth_source
from intarsia.data.open import SAMPLES, is_sample, name_of_sample
from intarsia.data.skipping import read_skip_list
from intarsia.errors import ArgumentError, UnknownNameError
from intarsia.runs import NetworkRecord, Recipe, Run
from intarsia.training.progress import Reporter

Data = Dataset | DepthDataset

SHOWN = 3  # warnings of one kind


def open_for_training(
    recipe: Recipe, checked: bool, reporter: Reporter, resumed: tuple[Run, NetworkRecord] | None = None
) -> Data:
    """The dataset of a recipe; with classes and pixel format of the run that is resumed.

    Raises ``DataError`` with the first file that cannot be used and the remedy. Warnings of the check are told.
    """
    pixels = resumed[1].pixels if resumed else None
    skip = read_skip_list(recipe.skip, recipe.data) if recipe.skip else ()
    unchecked, most = is_sample(recipe.data) or not checked, recipe.max_pixels
    if recipe.task == "depth":
        if unchecked:
            return open_depth(recipe.data, pixels, skip=skip, max_pixels=most)
        return _admitted(check_depth(recipe.data, pixels, skip=skip, max_pixels=most, watch=reporter.checked), reporter)
    classes = resumed[0].classes() if resumed else None
    if recipe.task == "classification":  # the rules of a check are about masks
        return open_classified(recipe.data, classes, pixels, skip=skip, max_pixels=most)
    if is_depth_source(recipe.data):
        raise ArgumentError(
            f"`task` (='segmentation') finds no masks in `{recipe.data}`, which holds depths; leave it out, or take "
            "'depth'."
        )
    if is_sample(recipe.data) and (name := name_of_sample(recipe.data)) not in SAMPLES:
        raise UnknownNameError("built-in set", name, (*SAMPLES, *DEPTH_SAMPLES), "`intarsia train --help`")
    if unchecked:
        return open_dataset(recipe.data, classes, pixels, skip=skip, max_pixels=most)
    report = check(recipe.data, classes, pixels, skip=skip, max_pixels=most, watch=reporter.checked)
    return _admitted(report, reporter)


def _admitted(report: Report | DepthReport, reporter: Reporter) -> Data:
    """What a check left, after its warnings have been told; raises its first error."""
    told: dict[str, int] = {}
    for finding in report.findings:
        if finding.severity == "warning":
            told[finding.kind] = told.get(finding.kind, 0) + 1
            if told[finding.kind] <= SHOWN:
                reporter.say(f"intarsia: note: {finding.sentence}")
    more = sum(max(0, count - SHOWN) for count in told.values())
    if more:
        reporter.say(f"intarsia: note: {more} more warnings; `intarsia check {report.source}` lists them.")
    return report.usable()
