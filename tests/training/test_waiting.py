"""Time that passes while batches are fetched is measured, told, and has a remedy."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import TINY

from intarsia.training import train
from intarsia.training.loading import AugmentedSamples
from intarsia.training.tasks import SegmentationTask
from intarsia.training.waiting import Watch, remedy


def shares(fetching: list[float], stepping: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a watch says after each step, by a clock that nothing else moves."""
    clock, said = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def batches() -> Iterator[int]:
        for number, seconds in enumerate(fetching):
            clock[0] += seconds
            yield number

    watch = Watch()
    for number in watch.over(batches()):
        clock[0] += stepping[number]
        watch.step(fetching[number] + stepping[number])
        said.append(watch.share)
    return said


@pytest.mark.parametrize(
    ("fetching", "stepping", "expected"),
    [
        ([1, 1, 1], [3, 3, 3], [0.25, 0.25, 0.25]),
        ([9, 1, 3], [1, 3, 1], [0.9, 0.25, 0.5]),  # the first step counts only while it is alone
        ([0, 0], [1, 1], [0, 0]),
        ([0], [0], [0]),  # a clock that stands still
    ],
)
def test_the_share_of_the_time(
    fetching: list[float], stepping: list[float], expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shares(fetching, stepping, monkeypatch) == pytest.approx(expected)


def test_what_is_forgotten_does_not_count() -> None:
    watch = Watch()
    watch.fetched = 1
    watch.step(1)
    watch.begin()
    assert watch.share == 0
    watch.step(4)
    assert watch.share == pytest.approx(0.25)


def test_the_remedy_is_one_that_there_is() -> None:
    cores = os.cpu_count() or 1
    assert remedy(0.02, 0) is remedy(0.02, 1) is None
    assert "`--workers 1` loads beside it" in str(remedy(0.021, 0))
    assert "faster disk" in str(remedy(0.5, cores))
    if cores > 1:
        assert f"`--workers {min(2, cores)}`" in str(remedy(0.5, 1))


def test_each_epoch_says_how_long_it_waited(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a clock that only loading and steps move: validation, pictures and files do not count."""
    clock, real_loss, real_load = [0.0], SegmentationTask.loss, AugmentedSamples.__getitem__

    def loss(*arguments: object) -> object:
        clock[0] += 3
        return real_loss(*arguments)  # pyright: ignore[reportArgumentType]

    def load(*arguments: object) -> object:
        clock[0] += 0.5  # two images a step
        return real_load(*arguments)  # pyright: ignore[reportArgumentType]

    def validate(*arguments: object, **more: object) -> object:
        clock[0] += 1000
        return real_validate(*arguments, **more)  # pyright: ignore[reportArgumentType]

    real_validate = SegmentationTask.validate
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(SegmentationTask, "loss", loss)
    monkeypatch.setattr(SegmentationTask, "validate", validate)
    monkeypatch.setattr(AugmentedSamples, "__getitem__", load)
    run = train(data=str(discs), out=tmp_path / "run", **TINY)
    assert [epoch["waited"] for epoch in run.history()] == [0.25, 0.25]
    said = capsys.readouterr().err
    assert said.count("waited 25 %") == 2
    assert said.count("Loading takes 25 % of the time, in the process that computes; `--workers 1`") == 1
