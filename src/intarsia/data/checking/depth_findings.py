"""What is wrong with a set of images with depths: each rule is one function of facts, none of which reads a file."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from statistics import median

import numpy as np

from intarsia.data.checking.depth_facts import FAR_OFF, DepthFacts, MapFacts
from intarsia.data.checking.facts import ImageFacts
from intarsia.data.checking.finding import Finding, errors_of
from intarsia.data.checking.image_findings import image_findings, reading_findings
from intarsia.data.dataset import unequal
from intarsia.data.depth.files import UNIT, UNIT_FILE, kind_complaint, value_complaint
from intarsia.data.depth.layouts import DepthFiles

_FEW = 0.01  # of the pixels; a sensor's own lines are 4 % of KITTI's
_FULL = 0.001  # of the pixels that hold the largest number there is: not the end of a scene
_NEAREST, _FARTHEST = 0.1, 200.0  # metres; where the middle of no scene lies
_OTHER_SCALE = 30.0  # between one file's median and that of most: a thousand is another unit, three another room
_SENSOR_OFF, _SENSOR_RATIO = 0.2, 1.25  # of the pixels; a raw LiDAR sees a few per cent through edges


def unit_findings(facts: Mapping[DepthFiles, DepthFacts], unit: float | None) -> Iterator[Finding]:
    """Whole numbers without a unit: one error about the set, since no file of it can be used."""
    if unit is not None:
        return
    for files, fact in facts.items():
        for path, part, _ in _maps(files, fact):
            complaint = None if isinstance(part, str) else kind_complaint(path, np.dtype(part.dtype), 1, None)
            if complaint:
                yield Finding("unit", "error", (), complaint)
                return


def sample_findings(files: DepthFiles, fact: DepthFacts, unit: float | None) -> Iterator[Finding]:
    """What is wrong with a single sample, whatever the rest of the set; of one that cannot be used, errors alone."""
    findings = tuple(_findings_of(files, fact, unit))
    yield from errors_of(findings) or findings


def _findings_of(files: DepthFiles, fact: DepthFacts, unit: float | None) -> Iterator[Finding]:
    yield from image_findings(files.image, fact.image)
    for path, part, kind in _maps(files, fact):
        yield from reading_findings(path, part if isinstance(part, str) else part.pages)
        if isinstance(part, str):
            continue
        complaint = isinstance(fact.image, ImageFacts) and unequal(
            files.image, fact.image.shape, path, part.shape, kind
        )
        if complaint:
            yield Finding("size", "error", (files.image, path), complaint)
        yield from _map_findings(path, part, unit)
    if isinstance(fact.depth, MapFacts) and fact.depth.quantiles:
        yield from _truth_findings(files.depth, fact.depth, unit)
    yield from _sensor_findings(files, fact)


def _maps(files: DepthFiles, fact: DepthFacts) -> Iterator[tuple[Path, MapFacts | str, str]]:
    """The truth and, if there is one, the measurement: file, facts, and what it is."""
    yield files.depth, fact.depth, "depth"
    if files.measured is not None and fact.measured is not None:
        yield files.measured, fact.measured, "measured depth"


def _map_findings(path: Path, part: MapFacts, unit: float | None) -> Iterator[Finding]:
    """Numbers that cannot be depths, in a truth or a measurement."""
    metres = 1.0 if unit is None else unit
    complaint = kind_complaint(path, np.dtype(part.dtype), part.bands, metres)  # a missing unit is said once
    if complaint:
        yield Finding("bands" if part.bands != 1 else "bits", "error", (path,), complaint)
        return
    complaint = value_complaint(path, part.least * part.metres(unit), bool(part.quantiles))
    if complaint:
        yield Finding("negative" if part.least < 0 else "empty", "error", (path,), complaint)
    elif part.at_most > _FULL:
        largest = np.iinfo(part.dtype).max
        sentence = (
            f"`{path}` holds {largest}, the largest number there is, at {part.at_most:.1%} of its pixels: if that "
            "means unknown, make it 0."
        )
        yield Finding("full", "warning", (path,), sentence)


def _truth_findings(path: Path, part: MapFacts, unit: float | None) -> Iterator[Finding]:
    """Maps that teach little."""
    if part.known < _FEW:
        sentence = f"`{path}` knows the depth of {part.known:.2%} of its pixels only, which is little to learn from."
        yield Finding("few", "warning", (path,), sentence)
    if part.quantiles[0] == part.quantiles[-1] and part.known * part.shape[0] * part.shape[1] > 1:
        at = part.quantiles[0] * part.metres(unit)
        sentence = f"`{path}` is {at:g} m everywhere: if that is no wall, replace it or leave it out."
        yield Finding("constant", "warning", (path,), sentence)


def _sensor_findings(files: DepthFiles, fact: DepthFacts) -> Iterator[Finding]:
    """A sensor that measures another scene than the truth's, or in another unit."""
    own = fact.agreement
    if own is None or files.measured is None:
        return
    if own.off > _SENSOR_OFF or not 1 / _SENSOR_RATIO < own.ratio < _SENSOR_RATIO:
        sentence = (
            f"`{files.measured}` does not fit its truth `{files.depth}`: measured depths are {own.ratio:.3g} times the "
            f"true ones in the middle, and {own.off:.0%} are off by more than {FAR_OFF:.0%}; look whether they belong "
            "together and have one unit."
        )
        yield Finding("sensor", "warning", (files.measured,), sentence)


def unmeasured_findings(samples: Collection[DepthFiles]) -> Iterator[Finding]:
    """Images that no sensor measured in a set where it measured others."""
    without = [files for files in samples if files.measured is None]
    if len(without) == len(samples):
        return
    for files in without:
        sentence = (
            f"`{files.image}` has no measurements of its own, but {len(samples) - len(without)} of {len(samples)} "
            "images have: add them, leave the image out, or train with --measuring 500 or the like."
        )
        yield Finding("unmeasured", "warning", (files.image,), sentence)


def scale_findings(facts: Mapping[DepthFiles, DepthFacts], unit: float | None) -> Iterator[Finding]:
    """A set whose middle lies where no scene does, or a file that is far from all others: another unit."""
    medians = {
        files.depth: fact.depth.metres(unit) * fact.depth.quantiles[2]
        for files, fact in facts.items()
        if isinstance(fact.depth, MapFacts) and fact.depth.quantiles
    }
    if not medians:
        return
    middle = median(medians.values())
    if not _NEAREST <= middle <= _FARTHEST:
        words = "correct" if unit is not None else "state"
        sentence = (
            f"The middle of the depths lies at {middle:.4g} m, where no usual scene has it: if they are in another "
            f"unit, {words} {UNIT} in {UNIT_FILE}."
        )
        yield Finding("scale", "warning", (), sentence)
    for path, own in medians.items():
        if not 1 / _OTHER_SCALE < own / middle < _OTHER_SCALE:
            sentence = (
                f"`{path}` has its middle at {own:.4g} m, but most files at about {middle:.4g} m: it is probably in "
                "another unit."
            )
            yield Finding("scale", "warning", (path,), sentence)
