"""Work on numbered items, split between threads; the kernels that do it release the interpreter's lock."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise


def in_parts(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Calls ``work(first, last)`` for parts of `count` items, each but one in a thread of its own.

    Threads stay for the next call, and keep their memory (see `scratch`): to start one takes a tenth of a millisecond.
    Once the interpreter is ending there are none, and all is done here. `work` must not call this function itself: its
    parts could wait for threads that wait for them.

    >>> done = []
    >>> in_parts(lambda first, last: done.append((first, last)), 5, threads=2)
    >>> sorted(done)
    [(0, 2), (2, 5)]
    """
    parts = max(1, min(threads, count))
    edges = [count * part // parts for part in range(parts + 1)]
    others = [_started(work, *edge) for edge in pairwise(edges[1:])]
    try:
        work(*edges[:2])
    finally:
        wait(others)  # whatever goes wrong: they write to what the caller holds
    for other in others:
        other.result()


def _started(work: Callable[[int, int], None], first: int, last: int) -> Future[None]:
    try:
        return _workers().submit(work, first, last)
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
    done = Future[None]()
    work(first, last)
    done.set_result(None)
    return done


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "intarsia")


def _begin() -> None:
    """Workers are there before two threads ask for them at once; their threads start with the first work."""
    _workers.cache_clear()
    _workers()


_begin()
if sys.platform != "win32":  # a fork has none of its parent's threads, and loading processes are forks
    os.register_at_fork(after_in_child=_begin)
