"""`check`: from a folder to a report."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from intarsia.data.checking.facts import (
    ImageFacts,
    MaskFacts,
    PairFacts,
    find_shift,
    grey_of,
    image_facts,
    mask_facts,
    pair_facts,
)
from intarsia.data.checking.finding import Finding, listing_findings, without
from intarsia.data.checking.findings import class_findings, file_findings, inference_findings, spelling_findings
from intarsia.data.checking.image_findings import pixel_format_of, uniform_findings
from intarsia.data.checking.reading import Watcher, measured_by_content
from intarsia.data.checking.report import Report, report_of
from intarsia.data.classes import Classes
from intarsia.data.dataset import Sample
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.images import PixelFormat
from intarsia.data.infer import joined
from intarsia.data.listing import Found, Ledger, Pair
from intarsia.data.open import assemble, classes_of, find_layout, open_dataset
from intarsia.data.source import is_sample, name_of
from intarsia.errors import DataError


def check(
    source: str | Path,
    classes: Classes | None = None,
    pixels: PixelFormat | None = None,
    *,
    skip: Collection[Path] = (),
    max_pixels: int = MAX_PIXELS,
    watch: Watcher | None = None,
) -> Report:
    """Look at every image and mask of a dataset once, on all cores, and say all that is wrong or strange.

    What was measured is kept by the files' content (:mod:`intarsia.data.checking.cache`), so that the next check only
    reads bytes. `classes` and `pixels` are those of a network that the data shall be for. `watch` is called with the
    number of pairs that are done and the number of all.

    Raises:
        DataError: the path is no folder, or no layout is recognised.

    >>> report = check("sample:brain")
    >>> report.findings, round(report.weights["white matter"], 2)
    ((), 1.28)
    """
    ledger = Ledger(skip=frozenset(path.absolute() for path in skip))
    if is_sample(source):
        return _check_sample(str(source), watch)
    found = find_layout(source, ledger)
    findings = listing_findings(ledger)
    facts = measured_by_content(
        found.pairs,
        lambda pair: pair_facts(pair.image, pair.mask, max_pixels, found.spelling),
        PairFacts,
        found.root,
        max_pixels,
        watch,
        found.spelling.name if found.spelling else "",
    )
    for pair, fact in facts.items():
        findings += file_findings(pair, fact)
    facts = without(facts, findings)
    findings += uniform_findings(_images(facts))
    findings += spelling_findings(facts)
    facts = without(facts, findings)
    known, complaints = _classes(found, classes, facts)
    findings += complaints
    facts = without(facts, findings)
    if known is None or not facts:
        return report_of(str(source), None, findings, facts)
    if classes is None and not (found.root / "classes.json").is_file() and found.classes is None:
        findings += inference_findings(facts, known)
    splits = {split: tuple(pair for pair in pairs if pair in facts) for split, pairs in found.splits.items()}
    found = replace(found, splits={split: pairs for split, pairs in splits.items() if pairs})
    dataset = assemble(name_of(source), found, known, pixels or pixel_format_of(_images(facts).values()), max_pixels)
    return report_of(str(source), dataset, findings, facts, found.splits, found.apart)


def _images(facts: Mapping[Pair, PairFacts]) -> dict[Pair, ImageFacts]:
    return {pair: fact.image for pair, fact in facts.items() if isinstance(fact.image, ImageFacts)}


def _check_sample(source: str, watch: Watcher | None) -> Report:
    dataset = open_dataset(source)
    splits = {
        split: tuple(
            Pair(sample.name, *(Path(f"{source}/{sample.name}.{kind}") for kind in ("image", "mask")))
            for sample in samples
        )
        for split, samples in dataset.splits.items()
    }
    total = sum(map(len, splits.values()))
    facts: dict[Pair, PairFacts] = {}
    for split, pairs in splits.items():
        for pair, sample in zip(pairs, dataset.split(split), strict=True):
            facts[pair] = _facts_of(sample)
            if watch is not None:
                watch(len(facts), total)
    findings = [finding for pair, fact in facts.items() for finding in file_findings(pair, fact)]
    return report_of(source, dataset, findings, facts, splits)


def _facts_of(sample: Sample) -> PairFacts:
    image, mask = sample.image(), sample.mask()
    return PairFacts(
        image_facts(image, f"{sample.name}"), mask_facts(mask, f"{sample.name}"), find_shift(grey_of(image), mask)
    )


def _classes(
    found: Found, given: Classes | None, facts: Mapping[Pair, PairFacts]
) -> tuple[Classes | None, list[Finding]]:
    """The classes, and the masks that do not hold them; masks are taken out one by one until the rest agrees."""
    findings: list[Finding] = []
    masks = {pair: fact.mask.content(pair.mask) for pair, fact in facts.items() if isinstance(fact.mask, MaskFacts)}
    while masks:
        try:
            classes = classes_of(found, given, partial(joined, tuple(masks.values())))
        except DataError as error:
            culprits = [pair for pair, content in masks.items() if f"`{content.path}`" in str(error)]
            findings.append(Finding("class", "error", tuple(pair.mask for pair in culprits), str(error)))
            if not culprits:
                return None, findings
            for pair in culprits:
                del masks[pair]
        else:
            return classes, findings + list(class_findings({pair: facts[pair] for pair in masks}, classes))
    return None, findings
