"""Ctrl-C: the first asks, a second one stops at once."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

ECHO = 2.0  # seconds in which a launcher passes on the Ctrl-C that its processes had from the terminal as well


@contextmanager
def interruptible(launched: bool = False) -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, which the loop looks at between steps; a second one stops at once.

    torchrun and the like send a Ctrl-C on to the processes that they ``launched``: what comes within two seconds is
    the same one.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    begun = 0.0

    def ask(number: int, _: object) -> None:
        nonlocal begun
        again = interrupted.is_set()
        if not again:
            begun = time.monotonic()
            interrupted.set()
        if not launched or (again and time.monotonic() - begun > ECHO):
            signal.signal(signal.SIGINT, before)
            if again:
                signal.raise_signal(number)

    signal.signal(signal.SIGINT, ask)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
