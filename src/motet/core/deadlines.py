"""When inputs run out of time: those that run, and those that wait for their first attempt."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from motet.core.inputs import WAITING, Input

SKIPPED_PER_TURN = 10_000
"""Inputs that no longer wait, and are still in line."""
COMPACT_BEYOND = 1000
"""The line of those that wait is looked through for those that ended in it when it is longer, and twice as long as after the
last time."""


class Deadlines:
    """The inputs of one pool by deadline. All have the same `timeout`, and the same `queue_timeout` if there is one, so
    the earliest is always the first, and nothing is ever sorted; but the few that were postponed are."""

    __slots__ = (
        "_alarm",
        "_compact_beyond",
        "_order",
        "_postponed",
        "_queue_timeout",
        "_running",
        "_shift",
        "_sum",
        "_waiting",
        "timeout",
    )

    def __init__(self, timeout: float, queue_timeout: float | None, alarm: Callable[[float], None]) -> None:
        self.timeout = timeout
        self._queue_timeout = queue_timeout
        self._alarm = alarm
        self._running: OrderedDict[int, Input] = OrderedDict()
        self._postponed: dict[int, Input] = {}
        """Those that run and have another deadline than the one they began with."""
        self._order: list[tuple[float, int]] = []
        """A heap of their deadlines; some have another one by now, or have ended."""
        self._sum = 0.0
        """Of the deadlines of those that run."""
        self._waiting: OrderedDict[tuple[float, Input], float] = OrderedDict()
        """Each with what all were postponed before it came."""
        self._shift = 0.0
        self._compact_beyond = COMPACT_BEYOND

    def began(self, item: Input, now: float) -> None:
        """An attempt at it runs from now on."""
        if self._waiting and self._queue_timeout is not None:
            self._waiting.pop((item.submitted_at + self._queue_timeout, item), None)
        item.delivered_at = now
        item.deadline = now + self.timeout
        if not self._running:
            self._alarm(item.deadline)
            if not self._postponed:
                self._sum = 0.0  # what rounding has left
        self._sum += item.deadline
        self._running[item.attempt] = item

    def over(self, attempt: int) -> None:
        """This attempt has ended. Idempotent."""
        item = self._running.pop(attempt, None) or self._postponed.pop(attempt, None)
        if item is not None:
            self._sum -= item.deadline

    def postpone(self, items: Iterable[Input], seconds: float) -> None:
        """These run, and have so much longer; or less, if that is negative."""
        for item in items:
            self._running.pop(item.attempt, None)
            item.deadline += seconds
            self._sum += seconds
            self._postponed[item.attempt] = item
            heapq.heappush(self._order, (item.deadline, item.attempt))
            self._alarm(item.deadline)

    def age(self, now: float) -> float:
        """How long those that run have been running, on average; 0 if none does."""
        count = len(self._running) + len(self._postponed)
        return now + self.timeout - self._sum / count if count else 0.0

    def wait(self, items: Iterable[Input]) -> None:
        """They were submitted, and wait for their first attempt for `queue_timeout` at most."""
        assert self._queue_timeout is not None
        if len(self._waiting) > self._compact_beyond:
            self._waiting = OrderedDict((key, it) for key, it in self._waiting.items() if key[1].state is WAITING)
            self._compact_beyond = max(COMPACT_BEYOND, 2 * len(self._waiting))
        for item in items:
            deadline = item.submitted_at + self._queue_timeout
            if not self._waiting:
                self._alarm(deadline)
            self._waiting[deadline, item] = self._shift

    def postpone_waiting(self, seconds: float) -> None:
        """All that wait now may wait for so much longer."""
        self._shift += seconds

    def running_late(self, now: float) -> Iterator[Input]:
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

    def waited_long(self, now: float) -> Iterator[Input | None]:
        """Inputs that have waited for longer than `queue_timeout`, each given once; those that have ended are left out. None:
        there may be more, and this is enough for one turn."""
        skipped = 0
        while self._waiting:
            key, shift = next(iter(self._waiting.items()))
            item, deadline = key[1], key[0] + self._shift - shift
            if item.state is WAITING and item.call.cancelled is None:
                if deadline > now:
                    self._alarm(deadline)
                    return
                yield item
            elif (skipped := skipped + 1) > SKIPPED_PER_TURN:
                yield None
                return
            self._waiting.pop(key, None)

    @property
    def any_wait(self) -> bool:
        """Some input waits, or has waited, under a `queue_timeout`."""
        return bool(self._waiting)

    @property
    def running(self) -> Iterable[Input]:
        """The inputs that run."""
        return itertools.chain(self._running.values(), self._postponed.values())

    @property
    def attempts(self) -> set[int]:
        """The attempts that have a deadline."""
        return {*self._running, *self._postponed}
