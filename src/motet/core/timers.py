"""When the engine is to be woken, and for what."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from math import inf
from typing import Generic, TypeVar

from motet.core.inputs import Input

R = TypeVar("R")


class Alarm(Generic[R]):
    """Rings its `ringer` once, at the earliest moment it was set to: whoever is rung sets it for what is due later."""

    __slots__ = ("_timers", "due", "ringer")

    def __init__(self, ringer: R, timers: Timers[R]) -> None:
        self.ringer: R | None = ringer
        self._timers = timers
        self.due = inf
        """When it rings; never, if it is not set."""

    def set(self, deadline: float) -> None:
        """Ring then, unless it rings earlier."""
        if deadline < self.due:
            self.due = deadline
            self._timers.add(deadline, self)

    def clear(self) -> None:
        """It is not set any more."""
        self.due = inf

    def let_go(self) -> None:
        """Its ringer is gone, and is not kept by the moments at which it was to ring."""
        self.clear()
        self.ringer = None


class Timers(Generic[R]):
    """Moments, earliest first: an input's retry, or an alarm."""

    __slots__ = ("_moments", "_numbers", "next")

    def __init__(self) -> None:
        self._moments: list[tuple[float, int, Alarm[R] | Input]] = []
        self._numbers = itertools.count()
        self.next: float | None = None
        """The earliest moment, if there is one."""

    def add(self, deadline: float, what: Alarm[R] | Input) -> None:
        """This alarm rings then, unless it is set to another moment by then; or this input's next attempt is due."""
        heapq.heappush(self._moments, (deadline, next(self._numbers), what))
        self.next = self._moments[0][0]

    def due(self, now: float) -> Iterator[R | Input]:
        """What the time has come for, each once; what is added meanwhile, too."""
        moments = self._moments
        while moments and moments[0][0] <= now:
            deadline, _, what = heapq.heappop(moments)
            self.next = moments[0][0] if moments else None
            if isinstance(what, Input):
                yield what
            elif what.due == deadline and what.ringer is not None:
                what.clear()
                yield what.ringer
