"""When inputs run out of time: those that run, and those that wait for their first attempt."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator

from motet.core.inputs import WAITING, Input

SKIPPED_PER_TURN = 10_000
"""Inputs that no longer wait, and are still in line."""


class Deadlines:
    """The inputs of one pool by deadline. All have the same `timeout`, and the same `queue_timeout` if there is one, so
    the earliest is always the first, and nothing is ever sorted."""

    __slots__ = ("_alarm", "_queue_timeout", "_running", "_sum", "_waiting", "timeout")

    def __init__(self, timeout: float, queue_timeout: float | None, alarm: Callable[[float], None]) -> None:
        self.timeout = timeout
        self._queue_timeout = queue_timeout
        self._alarm = alarm
        self._running: OrderedDict[int, Input] = OrderedDict()
        self._sum = 0.0
        """Of the deadlines of those that run."""
        self._waiting: deque[tuple[float, Input]] = deque()

    def began(self, item: Input, now: float) -> None:
        """An attempt at it runs from now on."""
        item.delivered_at = now
        item.deadline = now + self.timeout
        if not self._running:
            self._alarm(item.deadline)
            self._sum = 0.0  # what rounding has left
        self._sum += item.deadline
        self._running[item.attempt] = item

    def over(self, attempt: int) -> None:
        """This attempt has ended. Idempotent."""
        item = self._running.pop(attempt, None)
        if item is not None:
            self._sum -= item.deadline

    def age(self, now: float) -> float:
        """How long those that run have been running, on average; 0 if none does."""
        count = len(self._running)
        return now + self.timeout - self._sum / count if count else 0.0

    def wait(self, items: Iterable[Input]) -> None:
        """They were submitted, and wait for their first attempt for `queue_timeout` at most."""
        assert self._queue_timeout is not None
        for item in items:
            deadline = item.submitted_at + self._queue_timeout
            if not self._waiting:
                self._alarm(deadline)
            self._waiting.append((deadline, item))

    def running_late(self, now: float) -> Iterator[Input]:
        """Inputs whose attempt has run for longer than `timeout`. Each must be taken care of before the next."""
        while self._running:
            item = next(iter(self._running.values()))
            if item.deadline > now:
                self._alarm(item.deadline)
                return
            yield item

    def waited_long(self, now: float) -> Iterator[Input | None]:
        """Inputs that have waited for longer than `queue_timeout`, each given once; the others have begun in time. None:
        there may be more, and this is enough for one turn."""
        skipped = 0
        while self._waiting:
            deadline, item = self._waiting[0]
            if item.state is WAITING and item.attempts == 0 and item.call.cancelled is None:
                if deadline > now:
                    self._alarm(deadline)
                    return
                yield item
            elif (skipped := skipped + 1) > SKIPPED_PER_TURN:
                yield None
                return
            self._waiting.popleft()

    @property
    def any_wait(self) -> bool:
        """Some input waits, or has waited, under a `queue_timeout`."""
        return bool(self._waiting)

    @property
    def running(self) -> Iterable[Input]:
        """The inputs that run, the one that has run for longest first."""
        return self._running.values()

    @property
    def attempts(self) -> set[int]:
        """The attempts that have a deadline."""
        return set(self._running)
