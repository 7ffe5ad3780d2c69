"""What SIGTERM does to a container that serves: it asks its server for a drain, once, and goes on meanwhile."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Callable


class Preemption:
    """Calls `ask` on a thread of its own when the first SIGTERM comes; those that follow change nothing.

    Does nothing if the user's code has put a handler of its own there: whoever does that wants the signal.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._asked = False
        self._forking = threading.local()

    def install(self) -> None:
        """Take over SIGTERM. On the main thread."""
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        signal.signal(signal.SIGTERM, self._on_terminate)
        # What `multiprocessing` forks from here is no container: its `terminate()` is to end it, also one that comes at once.
        os.register_at_fork(before=self._hold_back, after_in_parent=self._let_through, after_in_child=self._restore)

    def _on_terminate(self, _signal: int, _frame: object) -> None:
        if not self._asked:
            self._asked = True
            # Whatever the main thread was doing when this interrupted it, it may hold the lock that sending takes. Nor
            # may a handler touch an Event or a Thread: they have locks, too.
            _thread.start_new_thread(self._ask, ())

    def _hold_back(self) -> None:
        # For each thread: several may fork at a time.
        self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def _let_through(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._forking.mask)

    def _restore(self) -> None:
        if signal.getsignal(signal.SIGTERM) == self._on_terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._let_through()
