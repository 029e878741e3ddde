"""`check`: from a folder to a report."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial, reduce
from operator import or_
from pathlib import Path

from intarsia.data.checking.cache import read_facts, write_facts
from intarsia.data.checking.facts import (
    ImageFacts,
    MaskFacts,
    PairFacts,
    digest,
    find_shift,
    grey_of,
    image_facts,
    mask_facts,
    pair_facts,
)
from intarsia.data.checking.findings import (
    Finding,
    class_findings,
    file_findings,
    inference_findings,
    uniform_findings,
)
from intarsia.data.checking.report import Report, report_of
from intarsia.data.classes import Classes
from intarsia.data.dataset import Sample
from intarsia.data.decoding import MAX_PIXELS
from intarsia.data.images import PixelFormat, channels_of
from intarsia.data.infer import joined
from intarsia.data.listing import Found, Ledger, Pair
from intarsia.data.open import assemble, classes_of, find_layout, is_sample, name_of, open_dataset
from intarsia.errors import DataError

Watcher = Callable[[int, int], None]


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
    findings = [
        Finding("unpaired", "error", (p.path,), p.sentence) for p in {p.path: p for p in ledger.problems}.values()
    ]
    facts = _measured(found, max_pixels, watch)
    for pair, fact in facts.items():
        findings += file_findings(pair, fact)
    facts = _without(facts, findings)
    findings += uniform_findings(facts)
    facts = _without(facts, findings)
    known, complaints = _classes(found, classes, facts)
    findings += complaints
    facts = _without(facts, findings)
    if known is None or not facts:
        return report_of(str(source), None, findings, facts)
    if classes is None and not (found.root / "classes.json").is_file() and found.classes is None:
        findings += inference_findings(facts, known)
    splits = {split: tuple(pair for pair in pairs if pair in facts) for split, pairs in found.splits.items()}
    found = replace(found, splits={split: pairs for split, pairs in splits.items() if pairs})
    dataset = assemble(name_of(source), found, known, pixels or _pixel_format(facts.values()), max_pixels)
    return report_of(str(source), dataset, findings, facts, found.splits, found.apart)


def _measured(found: Found, max_pixels: int, watch: Watcher | None) -> dict[Pair, PairFacts]:
    """The facts of all pairs, from the cache where the contents are known."""
    kept = read_facts(found.root)
    fresh: dict[str, PairFacts] = {}
    facts: dict[Pair, PairFacts] = {}
    spelled = (found.spelling.name,) if found.spelling else ()

    def measure(pair: Pair) -> tuple[str | None, PairFacts]:
        try:
            key = " ".join((digest(pair.image), digest(pair.mask), *spelled))
        except OSError:
            return None, pair_facts(pair.image, pair.mask, max_pixels, found.spelling)
        known = kept.get(key)
        if known is not None and _largest(known) <= max_pixels:
            return key, known
        return key, pair_facts(pair.image, pair.mask, max_pixels, found.spelling)

    with ThreadPoolExecutor() as pool:
        for pair, (key, fact) in zip(found.pairs, pool.map(measure, found.pairs), strict=True):
            facts[pair] = fact
            if key and isinstance(fact.image, ImageFacts) and isinstance(fact.mask, MaskFacts):
                fresh[key] = fact  # sentences hold paths, and are not kept
            if watch is not None:
                watch(len(facts), len(found.pairs))
    if fresh.keys() != kept.keys():
        write_facts(found.root, fresh)
    return facts


def _largest(fact: PairFacts) -> int:
    """Pixels of the larger of the two files."""
    return max(math.prod(part.shape) for part in (fact.image, fact.mask) if not isinstance(part, str))


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


def _without(facts: Mapping[Pair, PairFacts], findings: Iterable[Finding]) -> dict[Pair, PairFacts]:
    """The pairs that no error concerns."""
    bad = {path for finding in findings if finding.severity == "error" for path in finding.files}
    return {pair: fact for pair, fact in facts.items() if pair.image not in bad and pair.mask not in bad}


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


def _pixel_format(facts: Iterable[PairFacts]) -> PixelFormat:
    images = [fact.image for fact in facts if isinstance(fact.image, ImageFacts)]
    ranges = [image.values for image in images if image.values is not None]
    return PixelFormat(channels_of(images[0].bands), reduce(or_, ranges).limits() if ranges else None)
