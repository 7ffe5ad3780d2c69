"""What is watched of one container: how many inputs ran beside some of its inputs, and for how long."""

from __future__ import annotations

from motet.core.curve import LearnedCurve
from motet.core.inputs import Input

AT_ONCE = 8
"""Inputs of a container that are watched at a time. They are chosen when they begin, so how long they take plays no part."""


class Watch:
    """The seconds that a container has spent at each level, and where those stood when the watched inputs began."""

    __slots__ = ("_areas", "_began", "_curve", "_inputs", "_newest", "_seconds", "_since")

    def __init__(self, curve: LearnedCurve) -> None:
        self._curve = curve
        self._seconds = [0.0] * len(curve.sizes)
        self._areas = [0.0] * len(curve.sizes)
        """Of each level, the integral of the number of inputs over its seconds."""
        self._inputs = 0
        self._since = 0.0
        self._newest = 0
        self._began: dict[int, tuple[float, list[float], list[float]]] = {}
        """By attempt: when, and the two lists as they were."""

    def changed(self, running: dict[int, Input | None], now: float) -> int:
        """Other attempts run in the container from now on. Returns how many watched ones have ended."""
        ended = 0
        if self._began:
            self._pass(now)
            for attempt in [number for number in self._began if number not in running]:
                self._end(attempt, now, success=True)
                ended += 1
        self._inputs, self._since = len(running), now
        return ended

    def begin(self, running: dict[int, Input | None], now: float) -> int:
        """Watch those that have begun now, as far as there is room. Returns how many."""
        room, newest, begun = AT_ONCE - len(self._began), self._newest, 0
        for attempt in reversed(running):
            if attempt <= newest:
                break
            self._newest = max(self._newest, attempt)
            if begun < room:
                self._began[attempt] = (now, self._seconds[:], self._areas[:])
                begun += 1
        return begun

    def failed(self, attempt: int, now: float) -> None:
        """It ends without a result: its time was spent for nothing."""
        if attempt in self._began:
            self._pass(now)
            self._end(attempt, now, success=False)

    def forget(self, attempt: int) -> None:
        """Nobody wants its result any more: it says nothing about how long inputs take."""
        self._began.pop(attempt, None)

    def _pass(self, now: float) -> None:
        level = self._curve.level_of[self._inputs]
        self._seconds[level] += now - self._since
        self._areas[level] += (now - self._since) * self._inputs
        self._since = now

    def _end(self, attempt: int, now: float, *, success: bool) -> None:
        began_at, seconds, areas = self._began.pop(attempt)
        spent = [
            (level, after - before, self._areas[level] - areas[level])
            for level, (after, before) in enumerate(zip(self._seconds, seconds, strict=True))
            if after > before
        ]
        if spent:
            self._curve.add(spent, now - began_at, now, success=success)
