"""Work that goes on behind, piece by piece, in one thread that lives as long as there is any."""

import threading
import time
from collections.abc import Callable

_BREATH = 0.001  # seconds between pieces, in which whoever waits for the lock gets it


class Worker:
    """Does pieces of work while there is more.

    Args:
        more: whether there is; asked with the lock held.
        piece: does some; called without the lock.
    """

    def __init__(self, more: Callable[[], bool], piece: Callable[[], None]) -> None:
        self.lock = threading.Condition(threading.RLock())
        self._more, self._piece = more, piece
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Go on, if nobody does already."""
        with self.lock:
            self._stopped = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="intarsia-worker")
                self._thread.start()

    def stop(self) -> None:
        """No further piece until the next start; the present one is not waited for."""
        with self.lock:
            self._stopped = True

    def wait(self, timeout: float | None = None) -> None:
        """Until nobody works, or so many seconds; raises what went wrong meanwhile."""
        with self.lock:
            self.lock.wait_for(lambda: self._thread is None, timeout)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        try:
            while self._goes_on():
                self._piece()
                time.sleep(_BREATH)
        except BaseException as failure:  # told to whoever waits
            with self.lock:
                self._failure = failure
                self._end()

    def _goes_on(self) -> bool:
        with self.lock:
            goes_on = not self._stopped and self._more()
            if not goes_on:
                self._end()  # before the lock is let go, or a start in between would be lost
            return goes_on

    def _end(self) -> None:
        self._thread = None
        self.lock.notify_all()
