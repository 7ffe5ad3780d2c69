"""When an event loop counts as stuck, so that what has not begun on it is run elsewhere, and when it turns again."""

from __future__ import annotations

from collections.abc import Callable

from motet.runtime.stalls.stalls import Sample

LONGEST = 2.0
"""Seconds. Sooner, every step of code that computes in its event loop would send its neighbours through the server."""
SHORTEST = 0.25


def stuck_after(timeout: float) -> float:
    """Seconds that a loop may take for one step, where attempts have `timeout`: those behind it must not lose theirs."""
    return min(LONGEST, max(SHORTEST, timeout / 4))


class Stuck:
    """Calls `blocked` once the loop has not answered for `seconds`, in which it had a CPU, and `unblocked` when it answers."""

    def __init__(self, seconds: float, blocked: Callable[[], None], unblocked: Callable[[], None]) -> None:
        self._seconds = seconds
        self._blocked = blocked
        self._unblocked = unblocked
        self._since = 0.0
        self._is_blocked = False

    def take(self, sample: Sample, tick: float) -> None:
        """What the watchdog has just seen. A process that was stopped counts as two of its looks at most."""
        if sample.answered is None:
            self._since += max(0.0, min(sample.slept, 2 * tick) - sample.loop_starved)
            if self._since >= self._seconds and not self._is_blocked:
                # Once for each time, however long it lasts.
                self._is_blocked = True
                self._blocked()
            return
        self._since = 0.0
        if self._is_blocked:
            self._is_blocked = False
            self._unblocked()
