"""How long a training waits for its data, and what to do about it."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

BEARABLE = 0.02  # of the time


class Watch:
    """Which share of the time passes while the next batch is fetched.

    Where loading processes run, that is waiting for them; where there are none, it is the loading itself, since the
    process that computes does that as well. The first step counts only until there is a second one: it also starts
    processes and compiles.
    """

    def __init__(self) -> None:
        self.fetched = 0.0  # seconds for the batch that came last
        self._steps = 0
        self._waited = self._seconds = 0.0

    def over(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches, each of which is timed until it comes."""
        own = iter(batches)
        while True:
            begun = time.perf_counter()
            try:
                batch = next(own)
            except StopIteration:
                return
            self.fetched = time.perf_counter() - begun
            yield batch

    def step(self, seconds: float) -> None:
        """A step has been taken, in so many seconds with the fetching of its batch."""
        if self._steps == 1:
            self.begin()
        self._steps += 1
        self._waited += self.fetched
        self._seconds += seconds

    def begin(self) -> None:
        """Forget what was measured so far, such as the last epoch."""
        self._waited = self._seconds = 0.0

    @property
    def share(self) -> float:
        """Between 0 and 1, of the time of the steps since :meth:`begin`."""
        return min(1.0, self._waited / self._seconds) if self._seconds else 0.0


def percent(share: float) -> str:
    """For a person.

    >>> percent(0.0004), percent(0.0137), percent(0.123)
    ('0.0 %', '1.4 %', '12 %')
    """
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def remedy(share: float, workers: int) -> str | None:
    """A sentence that names the remedy where too much of the time is lost, else ``None``.

    >>> remedy(0.08, workers=0)
    'Loading takes 8.0 % of the time, in the process that computes; `--workers 1` loads beside it.'
    >>> remedy(0.01, workers=0) is None
    True
    """
    if share <= BEARABLE:
        return None
    if workers == 0:
        return (
            f"Loading takes {percent(share)} of the time, in the process that computes; `--workers 1` loads beside it."
        )
    more, cores = 2 * workers, os.cpu_count() or 1
    advice = f"take more than {workers} loading processes, such as `--workers {min(more, cores)}`"
    if workers >= cores:
        advice = f"all {cores} cores load already (`--workers {workers}`): smaller files or a faster disk would help"
    return f"Training waits for its data {percent(share)} of the time; {advice}."
