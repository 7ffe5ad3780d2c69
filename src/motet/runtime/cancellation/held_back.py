"""What could not be done where a thread was: tried again after pauses that grow, until it is settled."""

from __future__ import annotations

import _thread
import heapq
import itertools
import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class HeldBack(Generic[T]):
    """Calls `attempt(item, pause)` when an item's pause is over. It returns the next pause in seconds; None: it is settled.

    On one thread for all items, which is there only while there are any. Thread-safe. `attempt` must not raise.
    """

    def __init__(self, attempt: Callable[[T, float], float | None]) -> None:
        self._attempt = attempt
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, T, float]] = []
        self._numbers = itertools.count()
        self._runs = False

    def add(self, item: T, pause: float) -> None:
        """Try it after this pause."""
        with self._changed:
            heapq.heappush(self._due, (monotonic() + pause, next(self._numbers), item, pause))
            self._changed.notify()
            if not self._runs:
                self._runs = True
                # Not a `Thread`: one that is started within an input's code would be taken for the input's.
                _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            item, pause = taken
            again = self._attempt(item, pause)
            if again is not None:
                self.add(item, again)

    def _next(self) -> tuple[T, float] | None:
        """The item that is due, once one is; None if there are none, and so no thread any more."""
        with self._changed:
            while self._due:
                rest = self._due[0][0] - monotonic()
                if rest <= 0:
                    _, _, item, pause = heapq.heappop(self._due)
                    return item, pause
                self._changed.wait(rest)
            # Under the lock: whoever adds one from here on starts a thread again.
            self._runs = False
            return None
