"""What is to be over within so many seconds, and who has not managed it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

SetAlarm = Callable[[float], None]
"""Asks to be looked after at this moment, or earlier."""


class Grace(Generic[T]):
    """Those that have `seconds` for something. All have the same, so whoever began first is due first: nothing is ever
    searched or sorted. `alarm` is asked to ring when the first is due."""

    __slots__ = ("_alarm", "_due", "seconds")

    def __init__(self, seconds: float, alarm: SetAlarm) -> None:
        self.seconds = seconds
        self._alarm = alarm
        self._due: OrderedDict[T, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[T]:
        return iter(self._due)

    def __contains__(self, who: T) -> bool:
        return who in self._due

    def begin(self, who: T, now: float) -> None:
        """It has `seconds` from now on."""
        deadline = now + self.seconds
        self._due[who] = deadline
        self._due.move_to_end(who)
        self._alarm(deadline)

    def end(self, who: T) -> None:
        """It is over. Idempotent."""
        self._due.pop(who, None)

    def overdue(self, now: float) -> Iterator[T]:
        """Those whose time is over; each is given once, and has no grace from then on."""
        while self._due:
            who, deadline = next(iter(self._due.items()))
            if deadline > now:
                self._alarm(deadline)
                return
            del self._due[who]
            yield who
