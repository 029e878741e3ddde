"""Ctrl-C: the first saves, a second one stops at once, and the caller gets its handler back."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tiny import at_step, run_tiny, same_runs, saved_step

from intarsia.errors import Interrupted
from intarsia.inference.evaluate import evaluate_samples
from intarsia.training import interruption, tasks


def ctrl_c() -> None:
    """To this thread: a signal to the process may reach another one, while this goes on."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def own_handler() -> Any:
    """A handler of the caller's, which must never be called and always be given back."""

    def handler(*_: object) -> None:
        raise AssertionError("the caller's handler was called")

    before = signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, before)


def test_the_handler_is_given_back(
    discs: Path, tmp_path: Path, own_handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[Any] = []
    at_step(monkeypatch, 1, lambda: during.append(signal.getsignal(signal.SIGINT)))
    run_tiny(discs, tmp_path / "run", epochs=1)
    assert signal.getsignal(signal.SIGINT) is own_handler is not during[0]
    at_step(monkeypatch, 1, ctrl_c)
    with pytest.raises(Interrupted):
        run_tiny(discs, tmp_path / "stopped")
    assert signal.getsignal(signal.SIGINT) is own_handler


@pytest.mark.usefixtures("own_handler")
def test_in_the_last_step_it_comes_too_late(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 6, ctrl_c)
    run_tiny(discs, tmp_path / "run")
    assert same_runs(tmp_path / "run", disc_run)


def test_in_validation_it_waits_for_the_next_step(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def validate(*arguments: Any) -> Any:
        ctrl_c()
        return evaluate_samples(*arguments)

    monkeypatch.setattr(tasks, "evaluate_samples", validate)
    with pytest.raises(Interrupted, match="Stopped at step 4 of 6; everything is saved"):
        run_tiny(discs, tmp_path / "run")
    assert saved_step(tmp_path / "run") == 4


@pytest.fixture
def pythons_handler() -> Any:
    """Python's own, which a process that was started in the background has not: it ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("pythons_handler")
def test_a_second_one_stops_at_once(
    discs: Path, disc_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice() -> None:
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
        raise KeyboardInterrupt

    at_step(monkeypatch, 4, twice)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(discs, tmp_path / "run")
    assert saved_step(tmp_path / "run") == 3, "what was saved is kept"
    run_tiny(discs, tmp_path / "run", resume=True)
    assert same_runs(tmp_path / "run", disc_run)


@pytest.mark.usefixtures("pythons_handler")
def test_what_a_launcher_passes_on_is_the_same_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    with interruption.interruptible(launched=True) as interrupted:
        ctrl_c()
        assert interrupted.is_set()
        ctrl_c()
        monkeypatch.setattr(interruption, "ECHO", 0.0)
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::UserWarning")  # accelerate's, of threads
def test_in_a_thread_no_handler_is_set(discs: Path, tmp_path: Path) -> None:
    before, runs = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: runs.append(run_tiny(discs, tmp_path / "run", epochs=1)))
    thread.start()
    thread.join()
    assert runs
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("minutes", "step"), [(0, 5), (0.003, 4), (10, 3)])
def test_states_are_saved_within_an_epoch(
    discs: Path, disc_run: Path, tmp_path: Path, minutes: float, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    def wait() -> None:
        time.sleep(0.2)  # 0.003 minutes are 0.18 s: due after this step, and not after the next

    at_step(monkeypatch, 4, wait)
    at_step(monkeypatch, 6, stop)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(discs, tmp_path / "run", checkpoint_minutes=minutes)
    assert saved_step(tmp_path / "run") == step
    run_tiny(discs, tmp_path / "run", resume=True, checkpoint_minutes=minutes)
    assert same_runs(tmp_path / "run", disc_run)
