"""The bar on the terminal: how far a command is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import pytest
from depth_runs import write_depth_run, write_scenes

from intarsia.cli.main import main
from intarsia.energies.crf_settings import CRFSettings
from intarsia.runs import Run
from intarsia.runs.refinement import Refinement

Shown = list[tuple[float, int]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """How many of how many are done, whenever a bar moves."""
    moves: Shown = []

    @contextmanager
    def progress(description: str) -> Iterator[Callable[[float, int], None]]:
        yield lambda done, total: moves.append((done, total))

    monkeypatch.setattr("intarsia.cli.progress.progress", progress)
    return moves


@pytest.mark.parametrize("way", ["plain", "borders", "refined", "report"])
def test_evaluate_counts_images(way: str, disc_run: Path, discs: Path, tmp_path: Path, shown: Shown) -> None:
    more = {"borders": ["--boundary", "1"], "report": ["--report", str(tmp_path / "page.html"), "--boundary", "1"]}
    run = copytree(disc_run, tmp_path / "run")
    if way == "refined":
        Refinement(CRFSettings(1)).write(Run(run).refinement_path)
    assert main(["evaluate", str(run), str(discs), "--split", "train", *more.get(way, [])]) == 0
    assert shown == [(done, 7) for done in range(8)]


@pytest.mark.parametrize("report", [False, True])
def test_so_does_it_with_depths(report: bool, tmp_path: Path, shown: Shown) -> None:
    run, scenes = write_depth_run(tmp_path / "run", "40").folder, write_scenes(tmp_path / "set", sparse=True)
    page = ["--report", str(tmp_path / "page.html")] if report else []
    assert main(["evaluate", str(run), str(scenes), *page]) == 0
    total = shown[0][1]
    assert total > 1
    assert shown == [(done, total) for done in range(total + 1)]


def test_predict_counts_parts_of_images(disc_run: Path, discs: Path, tmp_path: Path, shown: Shown) -> None:
    assert main(["predict", str(disc_run), str(discs / "images"), "--out", str(tmp_path / "masks")]) == 0
    assert shown == [(done, 8) for done in range(1, 9)]
