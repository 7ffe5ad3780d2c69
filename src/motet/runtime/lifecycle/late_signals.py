"""Signals that come in the instant before the main thread waits: their handlers run at once, not with the next delivery."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

_WAKES = (0.0, 0.02, 0.2, 1.0)
"""Seconds after such a signal at which the main thread is woken: one more may come in such an instant, and so on."""
_HEARD = frozenset((signal.SIGTERM, signal.SIGINT))
"""Others may come a thousand times a second, as to profilers."""
_NONE = -1


class LateSignals:
    """Python runs a handler when the main thread gets to its next bytecode. A signal ends a blocking read early, but not one
    that it comes just before, where the thread of a busy machine may stand for long; nor if another thread is handed it.
    The interpreter also writes it to a descriptor, though, so that another thread can learn of it, and wake the main one.

    `wake` makes a blocking call of the main thread run handlers. To programs it looks as if no descriptor was set.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.descriptor, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake = wake
        self._due: list[float] = []
        self._set = signal.set_wakeup_fd
        self._listens = False

    def install(self) -> None:
        """Once, before user code is imported. On the main thread, as `listen`."""
        signal.set_wakeup_fd = self._set_others
        os.register_at_fork(after_in_child=self._after_fork)

    def listen(self) -> None:
        """From now on, unless the program has a descriptor of its own."""
        before = self._set(self._end, warn_on_full_buffer=False)
        self._listens = before == _NONE
        if not self._listens:
            self._set(before)

    def look(self) -> float:
        """What there is to do on the other thread, and the seconds until there may be more if the descriptor shows nothing."""
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            if not _HEARD.isdisjoint(os.read(self.descriptor, 4096)):
                # Anew for each signal: what is left from the one before may have come too early for it.
                self._due = [now + seconds for seconds in _WAKES]
        while self._due and self._due[0] <= now:
            del self._due[0]
            self._wake()
        return self._due[0] - now if self._due else float("inf")

    def _set_others(self, descriptor: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """Sets a new fd to be written to (as a byte) when a signal comes in. Returns the previous one, or -1."""
        if descriptor == _NONE and self._listens:
            descriptor, warn_on_full_buffer = self._end, False
        before = self._set(descriptor, warn_on_full_buffer=warn_on_full_buffer)
        return _NONE if before == self._end else before

    def _after_fork(self) -> None:
        # A child's signals are not the container's.
        self._listens = False
        if (before := self._set(_NONE)) not in (_NONE, self._end):
            self._set(before)
