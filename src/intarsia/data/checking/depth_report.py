"""What a check of a depth set found: findings, and for each split how far it sees and how much is known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from intarsia.data.checking.depth_facts import QUANTILES, DepthFacts, MapFacts
from intarsia.data.checking.finding import Finding, errors_first
from intarsia.data.checking.outcome import Outcome, extent
from intarsia.data.depth.dataset import DepthDataset
from intarsia.data.depth.layouts import DepthFiles


@dataclass(frozen=True)
class SplitDepths:
    """The depths of one split.

    Attributes:
        images: how many.
        known: the share of pixels whose depth is known.
        measured: the share of pixels that a sensor of the set's own measured; None without one.
        metres: the nearest; the medians, over the images, of where 5, 50 and 95 % of its depths are nearer; the
            farthest.
    """

    images: int
    known: float
    measured: float | None
    metres: tuple[float, ...]


@dataclass(frozen=True)
class DepthReport(Outcome[DepthDataset]):
    """What a check found; its own attributes beside those of :class:`Outcome`.

    Attributes:
        dtypes: how depths are stored.
        unit: metres a whole number; None where depths are metres.
        splits: what each split holds.
        cameras: of how many images the camera is known.
    """

    dtypes: tuple[str, ...]
    unit: float | None
    splits: Mapping[str, SplitDepths]
    cameras: int
    task: Literal["depth"] = "depth"

    def to_json(self) -> dict[str, object]:
        """The report as ``json.dumps`` takes it."""
        return {
            **self.told(),
            "task": self.task,
            "splits": {name: {**asdict(split), "metres": list(split.metres)} for name, split in self.splits.items()},
            "stored": list(self.dtypes),
            "metres_per_value": self.unit,
            "cameras": self.cameras,
        }


def depth_report_of(
    source: str,
    dataset: DepthDataset | None,
    findings: Iterable[Finding],
    facts: Mapping[DepthFiles, DepthFacts],
    splits: Mapping[str, Sequence[DepthFiles]],
    unit: float | None,
) -> DepthReport:
    """The report on facts and findings."""
    maps = [fact.depth for fact in facts.values() if isinstance(fact.depth, MapFacts)]
    return DepthReport(
        source,
        dataset,
        errors_first(findings),
        extent(fact.image for fact in facts.values()),
        tuple(sorted({depth.dtype for depth in maps})),
        unit,
        {name: _split([facts[one] for one in samples], unit) for name, samples in splits.items()} if dataset else {},
        sum(sample.camera() is not None for split in dataset.splits.values() for sample in split) if dataset else 0,
    )


def _split(facts: Sequence[DepthFacts], unit: float | None) -> SplitDepths:
    maps = [fact.depth for fact in facts if isinstance(fact.depth, MapFacts) and fact.depth.quantiles]
    sensed = [fact.measured for fact in facts if isinstance(fact.measured, MapFacts)]
    columns = zip(*([depth.metres(unit) * value for value in depth.quantiles] for depth in maps), strict=True)
    chosen = (min, *([median] * (len(QUANTILES) - 2)), max)
    metres = tuple(choose(column) for choose, column in zip(chosen, columns, strict=bool(maps)))
    return SplitDepths(len(facts), _share(maps), _share(sensed) if sensed else None, metres)


def _share(maps: Sequence[MapFacts]) -> float:
    """Of all pixels of some maps together."""
    pixels = [rows * columns for rows, columns in (depth.shape for depth in maps)]
    return sum(depth.known * count for depth, count in zip(maps, pixels, strict=True)) / max(1, sum(pixels))
