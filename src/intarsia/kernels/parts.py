"""Work on numbered items, split between threads; the kernels that do it release the interpreter's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise


def in_parts(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Calls ``work(first, last)`` for parts of `count` items, each but one in a thread that ends with this call.

    Threads that stayed would be missing after a fork, and loading processes are forks.

    >>> done = []
    >>> in_parts(lambda first, last: done.append((first, last)), 5, threads=2)
    >>> sorted(done)
    [(0, 2), (2, 5)]
    """
    parts = max(1, min(threads, count))
    edges = [count * part // parts for part in range(parts + 1)]
    if parts == 1:
        work(0, count)
        return
    with ThreadPoolExecutor(parts - 1) as pool:
        others = [pool.submit(work, *edge) for edge in pairwise(edges[1:])]
        work(*edges[:2])
        for other in others:
            other.result()
