"""Where the files of predicted depths go, and that nothing else lies or comes there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intarsia.data.depth import DepthSample, FileDepthSample
from intarsia.errors import DataError

COLOURED, POINTS = "coloured", "points"


@dataclass(frozen=True)
class Targets:
    """The files of one sample: numbers, colours, and points in space."""

    depth: Path
    coloured: Path
    points: Path

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """All of them, each without links on its way, so that paths compare."""
        return self.depth.resolve(), self.coloured.resolve(), self.points.resolve()


def targets_of(name: str, folder: Path) -> Targets:
    """The files of a sample of this name.

    >>> targets_of("a/0", Path("out")).coloured.as_posix()
    'out/coloured/a/0.png'
    """
    return Targets(folder / f"{name}.png", folder / COLOURED / f"{name}.png", folder / POINTS / f"{name}.ply")


def refuse_shared(samples: Sequence[DepthSample], folder: Path) -> None:
    """Two samples that would write one file, such as the colours of `0` and the numbers of `coloured/0`.

    Raises:
        DataError: there are two.
    """
    writers: dict[Path, str] = {}
    for sample in samples:
        for path in targets_of(sample.name, folder).paths:
            if path in writers:
                raise DataError(
                    f"`{writers[path]}` and `{sample.name}` would both write `{path}`: rename one, or predict them "
                    "into two folders."
                )
            writers[path] = sample.name


def own_files(samples: Sequence[DepthSample]) -> dict[Path, Path]:
    """The files that the samples are read from, as they are named, by where they really lie."""
    files = (
        path
        for sample in samples
        if isinstance(sample, FileDepthSample)
        for path in (sample.image_path, sample.depth_path, sample.measured_path)
    )
    return {path.resolve(): path for path in files if path is not None}


def refuse_own_files(sample: DepthSample, targets: Targets, own: dict[Path, Path]) -> None:
    """A prediction that would overwrite what it, or that of another sample, is made from.

    Raises:
        DataError: it would.
    """
    for path in targets.paths:
        if path in own:
            raise DataError(f"The depths of `{sample.name}` would overwrite `{own[path]}`; choose another folder.")
