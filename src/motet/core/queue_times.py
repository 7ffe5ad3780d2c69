"""How long inputs have waited for their first attempt, where that is bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from motet.core.grace import SetAlarm
from motet.core.inputs import WAITING, Input

SKIPPED_PER_TURN = 10_000
"""Inputs that no longer wait, and are still in line."""
COMPACT_BEYOND = 1000
"""The line is looked through for those that ended in it when it is longer, and twice as long as after the last time."""


class QueueTimes:
    """The inputs of one pool that wait for their first attempt for `queue_timeout` at most. All have the same, so whoever came
    first is due first. Without a timeout it holds nothing."""

    __slots__ = ("_alarm", "_compact_beyond", "_shift", "_timeout", "line")

    def __init__(self, timeout: float | None, alarm: SetAlarm) -> None:
        self._timeout = timeout
        self._alarm = alarm
        self.line: OrderedDict[tuple[float, Input], float] = OrderedDict()
        """By deadline, each with what all were postponed before it came. Some have begun to run, or have ended."""
        self._shift = 0.0
        self._compact_beyond = COMPACT_BEYOND

    def came(self, items: Iterable[Input]) -> None:
        """They were submitted, and wait from now on."""
        if self._timeout is None:
            return
        if len(self.line) > self._compact_beyond:
            self.line = OrderedDict((key, it) for key, it in self.line.items() if key[1].state is WAITING)
            self._compact_beyond = max(COMPACT_BEYOND, 2 * len(self.line))
        for item in items:
            deadline = item.submitted_at + self._timeout
            if not self.line:
                self._alarm(deadline)
            self.line[deadline, item] = self._shift

    def began(self, items: Iterable[Input]) -> None:
        """Attempts at them run."""
        if self._timeout is not None:
            for item in items:
                self.line.pop((item.submitted_at + self._timeout, item), None)

    def postpone(self, seconds: float) -> None:
        """All that wait now may wait for so much longer."""
        self._shift += seconds

    def late(self, now: float) -> Iterator[Input | None]:
        """Inputs that have waited for longer, each given once; those that have ended are left out. None: there may be more, and
        this is enough for one turn."""
        skipped = 0
        while self.line:
            key, shift = next(iter(self.line.items()))
            item, deadline = key[1], key[0] + (self._shift - shift)
            if item.state is WAITING and item.call.cancelled is None:
                if deadline > now:
                    self._alarm(deadline)
                    return
                yield item
            elif (skipped := skipped + 1) > SKIPPED_PER_TURN:
                yield None
                return
            self.line.pop(key, None)
