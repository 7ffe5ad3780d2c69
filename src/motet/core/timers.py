"""When the engine is to be woken, and for what."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Generic, TypeVar

from motet.core.inputs import Input

R = TypeVar("R")


class Timers(Generic[R]):
    """Moments, earliest first: an input's retry, or an alarm of somebody who rings (a pool), who has one at a time."""

    __slots__ = ("_alarms", "_moments", "_numbers")

    def __init__(self) -> None:
        self._moments: list[tuple[float, int, R | Input]] = []
        self._numbers = itertools.count()
        self._alarms: dict[R, float] = {}

    def __contains__(self, ringer: R) -> bool:
        """It has an alarm."""
        return ringer in self._alarms

    @property
    def next(self) -> float | None:
        """The earliest moment, if there is one."""
        return self._moments[0][0] if self._moments else None

    def set_alarm(self, ringer: R, deadline: float) -> None:
        """Ring then, unless it rings earlier: whoever is rung sets the alarm for what is due later."""
        if deadline < self._alarms.get(ringer, float("inf")):
            self._alarms[ringer] = deadline
            heapq.heappush(self._moments, (deadline, next(self._numbers), ringer))

    def set_retry(self, deadline: float, item: Input) -> None:
        """This input's next attempt is due then."""
        heapq.heappush(self._moments, (deadline, next(self._numbers), item))

    def forget(self, ringer: R) -> None:
        """It has no alarm any more."""
        self._alarms.pop(ringer, None)

    def due(self, now: float) -> Iterator[R | Input]:
        """What the time has come for, each once."""
        while self._moments and self._moments[0][0] <= now:
            deadline, _, what = heapq.heappop(self._moments)
            if isinstance(what, Input):
                yield what
            elif self._alarms.get(what) == deadline:
                del self._alarms[what]
                yield what
