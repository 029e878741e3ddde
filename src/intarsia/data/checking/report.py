"""What a check found: findings, pixels of each class, the class weights that follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from intarsia.data.checking.facts import MaskFacts, PairFacts
from intarsia.data.checking.finding import Finding, errors_first
from intarsia.data.checking.findings import shift_of_set, split_findings
from intarsia.data.checking.outcome import Outcome, extent
from intarsia.data.classes import Classes
from intarsia.data.dataset import Dataset
from intarsia.data.listing import Pair


@dataclass(frozen=True)
class Report(Outcome[Dataset]):
    """What a check found; its own attributes beside those of :class:`Outcome`.

    Attributes:
        pixels: of each split, the number of pixels of each class.
        ignored: of each split, the share of pixels that belong to no class.
        images: the number of images in which each class occurs.
        frequency: of each class, its share among the pixels of the training images in which it occurs; 0 if it never
            does.
    """

    pixels: Mapping[str, Mapping[str, int]]
    ignored: Mapping[str, float]
    images: Mapping[str, int]
    frequency: Mapping[str, float]

    @property
    def weights(self) -> dict[str, float]:
        """Class weights for a loss by median frequency balancing: the median of all frequencies / the class's own.

        Eigen & Fergus, Predicting depth, surface normals and semantic labels, arXiv:1411.4734. A class that never
        occurs has the weight 0.
        """
        present = [value for value in self.frequency.values() if value > 0]
        middle = float(np.median(present)) if present else 0.0
        return {name: middle / value if value > 0 else 0.0 for name, value in self.frequency.items()}

    def to_json(self) -> dict[str, object]:
        """The report as ``json.dumps`` takes it."""
        classes = [
            {
                "name": name,
                "images": self.images[name],
                "pixels": {split: counts[name] for split, counts in self.pixels.items()},
                "weight": weight,
            }
            for name, weight in self.weights.items()
        ]
        splits = {} if self.dataset is None else self.dataset.splits
        return {
            **self.told(),
            "splits": {name: len(samples) for name, samples in splits.items()},
            "encoding": None if self.dataset is None else self.dataset.classes.encoding,
            "classes": classes,
            "ignored": dict(self.ignored),
        }


def report_of(
    source: str,
    dataset: Dataset | None,
    findings: Iterable[Finding],
    facts: Mapping[Pair, PairFacts],
    splits: Mapping[str, tuple[Pair, ...]] | None = None,
    apart: tuple[str, ...] | None = None,
) -> Report:
    """The report on facts and findings; `splits` are those of the dataset, for what concerns whole splits.

    Those in `apart`, by default all, shall share no image.
    """
    findings, shapes = list(findings), extent(fact.image for fact in facts.values())
    if dataset is None or splits is None:
        return Report(source, None, errors_first(findings), shapes, {}, {}, {}, {})
    counts = {pair: _pixels(fact, dataset.classes) for pair, fact in facts.items()}
    pixels = {
        split: {name: sum(counts[pair][i] for pair in pairs) for i, name in enumerate(dataset.classes.names)}
        for split, pairs in splits.items()
    }
    ignored = {
        split: 1 - sum(pixels[split].values()) / max(1, sum(_size(facts[pair]) for pair in pairs))
        for split, pairs in splits.items()
    }
    compared = [split for split in splits if apart is None or split in apart]
    findings += split_findings(
        {split: splits[split] for split in compared}, facts, {split: pixels[split] for split in compared}
    )
    for pair, count in counts.items():
        if not any(count):
            sentence = f"`{pair.mask}` holds no pixel of any class, only ignored ones: leave it out."
            findings.append(Finding("empty", "warning", (pair.mask,), sentence))
    moved = shift_of_set(list(facts.values()))
    if moved and len(facts) > 1:
        sentence = f"Most masks are probably shifted: they should move by {moved[0]:+d} rows and {moved[1]:+d} columns."
        findings.append(Finding("shifted", "warning", (), sentence))
    images = {name: sum(count[i] > 0 for count in counts.values()) for i, name in enumerate(dataset.classes.names)}
    learnt = set(splits.get("train") or counts)
    frequency = {}
    for i, name in enumerate(dataset.classes.names):
        held = [count for pair, count in counts.items() if count[i] > 0 and pair in learnt]
        total = sum(sum(count) for count in held)
        frequency[name] = sum(count[i] for count in held) / total if total else 0.0
    return Report(source, dataset, errors_first(findings), shapes, pixels, ignored, images, frequency)


def _size(fact: PairFacts) -> int:
    assert isinstance(fact.mask, MaskFacts)
    return fact.mask.shape[0] * fact.mask.shape[1]


def _pixels(fact: PairFacts, classes: Classes) -> list[int]:
    """The pixels of each class in one mask."""
    assert isinstance(fact.mask, MaskFacts)
    if classes.encoding == "binary":
        return [fact.mask.values.get(0, 0), fact.mask.values.get(255, 0)]
    if classes.encoding == "colour":
        return [fact.mask.values.get(r << 16 | g << 8 | b, 0) for r, g, b in classes.colours]
    counts = [fact.mask.values.get(i, 0) for i in range(classes.count)]
    if fact.mask.is_one_bit and classes.count > 1:  # among indices one bit is 0 or 1
        counts[1] = fact.mask.values.get(255, 0)
    return counts
