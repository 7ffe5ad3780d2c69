"""When inputs that run are out of time."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from motet.core.grace import SetAlarm
from motet.core.inputs import Input


class Deadlines:
    """The inputs of one pool that run, by deadline. All have the same `timeout`, so the earliest is always the first, and
    nothing is ever sorted; but the few that were postponed are."""

    __slots__ = ("_alarm", "_order", "_postponed", "_running", "_sum", "timeout")

    def __init__(self, timeout: float, alarm: SetAlarm) -> None:
        self.timeout = timeout
        self._alarm = alarm
        self._running: OrderedDict[int, Input] = OrderedDict()
        self._postponed: dict[int, Input] = {}
        """Those that run and have another deadline than the one they began with."""
        self._order: list[tuple[float, int]] = []
        """A heap of their deadlines; some have another one by now, or have ended."""
        self._sum = 0.0
        """Of the deadlines of those that run."""

    def began(self, items: Iterable[Input], deadline: float) -> None:
        """Attempts at them run, and have until then."""
        running = self._running
        if not running:
            self._alarm(deadline)
            if not self._postponed:
                self._sum = 0.0  # what rounding has left
        for item in items:
            self._sum += deadline
            running[item.attempt] = item

    def over(self, attempt: int) -> None:
        """This attempt has ended. Idempotent."""
        item = self._running.pop(attempt, None) or self._postponed.pop(attempt, None)
        if item is not None:
            self._sum -= item.deadline

    def postpone(self, items: Iterable[Input], seconds: float) -> None:
        """These run, and have so much longer; or less, if that is negative."""
        for item in items:
            self._running.pop(item.attempt, None)
            item.postponed(seconds)
            self._sum += seconds
            self._postponed[item.attempt] = item
            heapq.heappush(self._order, (item.deadline, item.attempt))
            self._alarm(item.deadline)

    def age(self, now: float) -> float:
        """How long those that run have been running, on average; 0 if none does."""
        count = len(self._running) + len(self._postponed)
        return now + self.timeout - self._sum / count if count else 0.0

    def late(self, now: float) -> Iterator[Input]:
        """Inputs whose attempt has run for longer than `timeout`. Each must be taken care of before the next."""
        while (item := self._earliest()) is not None:
            if item.deadline > now:
                self._alarm(item.deadline)
                return
            yield item

    def _earliest(self) -> Input | None:
        first = next(iter(self._running.values()), None)
        while self._order:
            deadline, attempt = self._order[0]
            item = self._postponed.get(attempt)
            if item is not None and item.deadline == deadline:
                return item if first is None or deadline < first.deadline else first
            heapq.heappop(self._order)
        return first

    @property
    def running(self) -> Iterable[Input]:
        """The inputs that run."""
        return itertools.chain(self._running.values(), self._postponed.values())

    @property
    def attempts(self) -> set[int]:
        """The attempts that have a deadline."""
        return {*self._running, *self._postponed}
