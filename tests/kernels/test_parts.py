"""Threads that stay, and the memory they keep."""

import multiprocessing
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from intarsia.kernels.parts import in_parts
from intarsia.kernels.scratch import rooms, scratch


def test_every_item_is_worked_on_once_by_any_number_of_threads() -> None:
    for count, threads in ((0, 3), (1, 4), (7, 3), (5, 50)):
        done = list[int]()
        in_parts(lambda first, last, done=done: done.extend(range(first, last)), count, threads)
        assert sorted(done) == list(range(count))


def test_what_goes_wrong_in_a_thread_is_raised() -> None:
    def work(first: int, last: int) -> None:
        if first:
            raise ValueError(f"no {first}")

    with pytest.raises(ValueError, match="no 1"):
        in_parts(work, 2, 2)


def test_when_one_part_fails_the_others_have_ended() -> None:
    done = list[int]()

    def work(first: int, last: int) -> None:
        if first < 2:
            raise ValueError(f"no {first}")
        time.sleep(0.1)
        done.append(first)

    for begin in (0, 1):  # this thread's part, and another's
        with pytest.raises(ValueError, match=f"no {begin}"):
            in_parts(lambda first, last, begin=begin: work(first + begin, last), 3 - begin, 3 - begin)
        assert done.pop() == 2
        assert not done


LATE = """
import atexit, sys, threading
from intarsia.kernels.parts import in_parts
def late():
    done = []
    in_parts(lambda first, last: done.extend(range(first, last)), 4, 2)
    print(sorted(done))
def later():
    threading.main_thread().join()
    late()
late()
atexit.register(late)
threading.Thread(target=later).start()
"""


def test_work_goes_on_while_the_interpreter_ends() -> None:
    """In a thread that outlives the main one, and in what is called at the very end."""
    found = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False)
    assert (found.stdout.splitlines(), found.stderr) == (["[0, 1, 2, 3]"] * 3, "")


def test_threads_that_begin_at_once_share_their_workers() -> None:
    code = """
import threading, time
from concurrent import futures
made = []
class Slow(futures.ThreadPoolExecutor):
    def __init__(self, *arguments):
        time.sleep(0.05)
        made.append(1)
        super().__init__(*arguments)
futures.ThreadPoolExecutor = Slow
from intarsia.kernels.parts import in_parts
threads = [threading.Thread(target=in_parts, args=(lambda first, last: None, 4, 4)) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(made))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def _sum_in_parts(queue) -> None:
    done = list[int]()
    in_parts(lambda first, last: done.append(last - first), 10, 3)
    queue.put(sum(done))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_starts_threads_of_its_own() -> None:
    in_parts(lambda first, last: None, 3, 3)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_sum_in_parts, args=(queue,))
    child.start()
    assert queue.get(timeout=20) == 10
    child.join()


def test_memory_is_kept_in_its_thread() -> None:
    places = [scratch(100).ctypes.data]
    thread = threading.Thread(target=lambda: places.append(scratch(100).ctypes.data))
    thread.start()
    thread.join()
    assert scratch(90, np.float32).ctypes.data == places[0] != places[1]


def test_memory_of_a_large_map_is_not_kept() -> None:
    kept = scratch(1 << 10)
    assert not np.shares_memory(scratch(1 << 21), kept)
    assert np.shares_memory(scratch(1 << 10), kept)


def test_rooms_do_not_overlap() -> None:
    parts = rooms(np.float64, 3, 0, 17, 8)
    for number, part in enumerate(parts):
        part[:] = number
    assert [part.tolist() for part in parts] == [[0] * 3, [], [2] * 17, [3] * 8]
    assert all(part.ctypes.data % 64 == 0 for part in parts)
