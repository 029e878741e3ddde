"""What every check ends with: what is left of a set, what was found, and whether to go on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from intarsia.data.checking.facts import ImageFacts
from intarsia.data.checking.finding import Finding, as_json, errors_of
from intarsia.data.dataset import Dataset
from intarsia.data.depth.dataset import DepthDataset
from intarsia.errors import DataError

Extent = tuple[tuple[int, int], tuple[int, int]]
Checked = TypeVar("Checked", Dataset, DepthDataset)


@dataclass(frozen=True)
class Outcome(Generic[Checked]):
    """What reports on every kind of set hold.

    Attributes:
        source: the folder or file, or the name of a built-in set.
        dataset: the set without the files that cannot be used; None if nothing is left.
        findings: errors first.
        shapes: the smallest and largest number of rows and of columns: ((least, largest), (least, largest)).
    """

    source: str
    dataset: Checked | None
    findings: tuple[Finding, ...]
    shapes: Extent

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that keep files from being used."""
        return errors_of(self.findings)

    def to_skip(self) -> tuple[tuple[Path, str], ...]:
        """The files to leave out, each with the reason.

        They are the files of all errors, and of images that two splits hold the one in the training split.
        """
        reasons = {path: finding.sentence for finding in self.errors for path in finding.files}
        reasons |= {path: finding.sentence for finding in self.findings for path in finding.leave_out}
        return tuple(reasons.items())

    def usable(self) -> Checked:
        """The set, if no file of it is in the way.

        Raises:
            DataError: there are errors; the sentence is the first one's.
        """
        if self.errors:
            first, *more = self.errors
            check = f"`intarsia check {self.source}"
            others = f" {len(more)} more errors: {check}` lists them all." if more else ""
            remedy = f" To go on without such files: {check} --fix-list skip.txt`, then `--skip skip.txt`."
            left = first.files and self.dataset is not None
            raise DataError(f"{first.sentence}{others}{remedy if left else ''}")
        assert self.dataset is not None, "nothing is left only where something is wrong"
        return self.dataset

    def told(self) -> dict[str, object]:
        """What all of them say, as ``json.dumps`` takes it."""
        pixels = None if self.dataset is None else self.dataset.pixels
        return {
            "source": self.source,
            "layout": None if self.dataset is None else self.dataset.layout,
            "rows": list(self.shapes[0]),
            "columns": list(self.shapes[1]),
            "channels": None if pixels is None else pixels.channels,
            "limits": None if pixels is None else pixels.limits,
            "findings": as_json(self.findings),
        }


def extent(images: Iterable[ImageFacts | str]) -> Extent:
    """The smallest and largest number of rows and of columns of the images that could be read."""
    shapes = [image.shape for image in images if isinstance(image, ImageFacts)] or [(0, 0)]
    rows, columns = zip(*shapes, strict=True)
    return (min(rows), max(rows)), (min(columns), max(columns))
