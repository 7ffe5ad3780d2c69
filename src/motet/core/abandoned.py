"""Slots whose attempt nobody waits for any more: cancelled, or out of time, and still running in a container."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from motet.core.containers import Container


class Abandoned:
    """Until when each container is to let go of them: `cancellation_grace` after it was told to."""

    __slots__ = ("_alarm", "_grace", "_slots")

    def __init__(self, grace: float, alarm: Callable[[float], None]) -> None:
        self._grace = grace
        self._alarm = alarm
        self._slots: OrderedDict[int, tuple[float, Container]] = OrderedDict()
        """By attempt, the earliest deadline first: all have the same grace."""

    def add(self, attempt: int, container: Container, now: float) -> None:
        """Nobody waits for this attempt any more; its slot stays taken."""
        container.running[attempt] = None
        deadline = now + self._grace
        self._slots[attempt] = (deadline, container)
        self._alarm(deadline)

    def overdue(self, now: float) -> Iterator[tuple[int, Container]]:
        """Those whose grace is over and whose container has not let go of them; each is given once."""
        while self._slots:
            attempt, (deadline, container) = next(iter(self._slots.items()))
            if deadline > now:
                self._alarm(deadline)
                return
            del self._slots[attempt]
            if attempt in container.running:
                yield attempt, container
