"""Trials in two processes of one thread each, the finished ones left out, with an estimate of the time left."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from intarsia.ablations.work import Result, Work
from intarsia.errors import Interrupted, RunError

Say = Callable[[str], None]

STOPPED = "Stopped; what is finished is kept, and the same command goes on from there."


def perform_all(trials: Sequence[Work], processes: int, say: Say) -> None:
    """Do what is not done yet, in turn; ``processes=1`` works in this process.

    Raises:
        Interrupted: after Ctrl-C; the trials that were running will be done again.
        RunError: a process was killed.
    """
    waiting = [trial for trial in trials if trial.result() is None]
    seconds = {trial.name: result.seconds for trial in trials if (result := trial.result())}
    say(f"{len(trials)} trainings, {len(trials) - len(waiting)} of them done before.")
    untrained = [trial for trial in waiting if trial.kept() is None]  # the others lack a score only
    begun = time.monotonic()
    try:
        for done, (trial, result) in enumerate(_performed(waiting, processes), start=1):
            seconds[trial.name] = result.seconds
            left = sum(_expected(other, seconds) for other in untrained if other.name not in seconds) / processes
            say(
                f"[{done}/{len(waiting)}] {trial.told(result)}, {result.seconds:.0f} s; "
                f"{(time.monotonic() - begun) / 60:.0f} min gone, about {left / 60:.0f} left."
            )
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(STOPPED) from None
    except BrokenProcessPool as error:
        raise RunError(
            "A training process was killed, most likely for want of memory; the same command goes on from there, with "
            "--processes 1 in less memory."
        ) from error


def _expected(trial: Work, seconds: dict[str, float]) -> float:
    """As long as another seed of it took, or the mean of all."""
    same = [value for name, value in seconds.items() if name.startswith(trial.kind)]
    known = same or list(seconds.values())
    return sum(known) / len(known)


def _performed(trials: Sequence[Work], processes: int) -> Iterator[tuple[Work, Result]]:
    """Each trial with its result, as they end."""
    if processes == 1:
        for trial in trials:
            yield trial, trial.perform()
        return
    context = multiprocessing.get_context("spawn")  # a forked child of a process with threads may hang
    pool = ProcessPoolExecutor(processes, context, initializer=_begin)
    running: dict[Future[Result], Work] = {}
    try:
        running |= {pool.submit(trial.perform): trial for trial in trials}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        workers = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        if running:
            for worker in workers:
                worker.terminate()


def _begin() -> None:
    """One thread, no ear for Ctrl-C, which the parent answers, and an end when the parent ends, even by SIGKILL."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_and_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()
