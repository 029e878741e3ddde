"""`check_depth`: from a set of images with depths to a report."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from intarsia.data.checking.depth_facts import DepthFacts, depth_facts, map_facts
from intarsia.data.checking.depth_findings import (
    sample_findings,
    scale_findings,
    unit_findings,
    unmeasured_findings,
)
from intarsia.data.checking.depth_report import DepthReport, depth_report_of
from intarsia.data.checking.facts import ImageFacts, image_facts
from intarsia.data.checking.finding import Finding, errors_of, listing_findings, without
from intarsia.data.checking.image_findings import copy_findings, pixel_format_of, uniform_findings
from intarsia.data.checking.reading import Watcher, measured_by_content
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.depth.dataset import DepthDataset, DepthSample
from intarsia.data.depth.layouts import DepthFiles
from intarsia.data.depth.open import assemble_depth, find_depth, open_whole
from intarsia.data.images import PixelFormat
from intarsia.data.listing import Ledger
from intarsia.data.source import name_of
from intarsia.errors import DataError


def check_depth(
    source: str | Path,
    pixels: PixelFormat | None = None,
    *,
    skip: Collection[Path] = (),
    max_pixels: int = MAX_PIXELS,
    watch: Watcher | None = None,
) -> DepthReport:
    """Look at every image and depth of a set once, on all cores, and say all that is wrong or strange.

    What was measured is kept by the files' content, as for sets of masks. `pixels` are those of a network that the set
    shall be for. `watch` is called with the number of samples that are done and of all.

    Raises:
        UnknownNameError: there is no such built-in scene.
        MissingPackageError: the set needs a package that is not installed.
        DataError: the path is no folder, or no layout is recognised.

    >>> report = check_depth("sample:motorcycle")
    >>> report.findings, round(report.splits["val"].known, 2)
    ((), 0.92)
    """
    ledger = Ledger(skip=frozenset(path.absolute() for path in skip))
    whole = open_whole(source, ledger)
    if whole is not None:
        return _check_whole(str(source), whole, watch)
    found = find_depth(source, ledger)
    facts = measured_by_content(
        found.samples, lambda one: depth_facts(one, max_pixels), DepthFacts, found.root, max_pixels, watch
    )
    findings = listing_findings(ledger)
    for one, fact in facts.items():
        findings += sample_findings(one, fact, found.unit)
    facts = without(facts, findings)
    findings += uniform_findings(_images(facts))
    facts = without(facts, findings)
    findings += [*unit_findings(facts, found.unit), *unmeasured_findings(facts)]
    unusable = not facts or any(not error.files for error in errors_of(findings))
    left = {split: tuple(one for one in samples if one in facts) for split, samples in found.splits.items()}
    left = {split: samples for split, samples in left.items() if samples}
    findings += () if unusable else (*scale_findings(facts, found.unit), *copy_findings(left, _images(facts)))
    dataset = None
    if not unusable:
        pixels = pixels or pixel_format_of(_images(facts).values())
        dataset = assemble_depth(name_of(source), replace(found, splits=left), pixels, max_pixels)
    return depth_report_of(str(source), dataset, findings, facts, left, found.unit)


def _images(facts: Mapping[DepthFiles, DepthFacts]) -> dict[DepthFiles, ImageFacts]:
    return {one: fact.image for one, fact in facts.items() if isinstance(fact.image, ImageFacts)}


def _check_whole(source: str, dataset: DepthDataset, watch: Watcher | None) -> DepthReport:
    """A built-in scene or NYU's file: what is read is metres, and nothing is kept."""
    splits = {
        split: tuple(_named(source, split, sample) for sample in samples) for split, samples in dataset.splits.items()
    }
    total = sum(map(len, splits.values()))
    facts: dict[DepthFiles, DepthFacts] = {}
    for one, sample in _both(splits, dataset):
        facts[one] = _facts_of(sample)
        if watch is not None:
            watch(len(facts), total)
    findings = [finding for one, fact in facts.items() for finding in sample_findings(one, fact, None)]
    left = without(facts, findings)
    findings += [*scale_findings(left, None), *copy_findings(splits, _images(left))]
    usable = dataset if len(left) == len(facts) else None  # no image can be left out
    return depth_report_of(source, usable, [_without_files(one) for one in findings], facts, splits, None)


def _without_files(finding: Finding) -> Finding:
    """The finding without files to leave out, where pictures have none of their own."""
    return replace(finding, files=() if finding.severity == "error" else finding.files, leave_out=())


def _named(source: str, split: str, sample: DepthSample) -> DepthFiles:
    place = Path(source) / split / sample.name
    return DepthFiles(sample.name, place / "image", place / "depth")


def _both(
    splits: Mapping[str, tuple[DepthFiles, ...]], dataset: DepthDataset
) -> Iterable[tuple[DepthFiles, DepthSample]]:
    for split, files in splits.items():
        yield from zip(files, dataset.split(split), strict=True)


def _facts_of(sample: DepthSample) -> DepthFacts:
    try:
        depth = map_facts(sample.depth(), sample.name)
    except DataError as error:
        depth = str(error)
    return DepthFacts(image_facts(sample.image(), sample.name), depth)
