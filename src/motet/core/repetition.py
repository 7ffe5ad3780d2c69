"""Whether a load repeats, and what it will call for when it does so again."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from operator import mul
from typing import NamedTuple

MEMORY = 512
"""Steps that are remembered."""
SHORTEST = 16
"""Steps of the shortest period that is looked for: once a window, a period is looked for, too."""
CYCLES = 3
"""How often it must have come."""
ALIKE, APART = 0.7, 0.4
"""How much a load must be correlated with itself a period later; and how much less in between, or it is only slow."""


class Expected(NamedTuple):
    """What a load that repeats will call for soon."""

    period: float
    """Seconds."""
    containers: int
    """So many, where that is more than just before; 0 where it is not."""
    again_at: float
    """When that changes, if the load goes on so."""


class Repetition:
    """How many containers inputs filled on average in each step of `step` seconds, and whether that repeats.

    Periods of `SHORTEST` steps are found, and longer ones, as far as three of them are remembered. Bounded: some hundred
    steps. To count costs little, whatever there is; once in `SHORTEST` steps all that is remembered is compared with itself,
    which takes some two milliseconds.
    """

    __slots__ = ("_counted", "_ends", "_first", "_levels", "_period", "_sought", "step")

    def __init__(self, step: float) -> None:
        self.step = step
        self._levels: list[float] = []
        self._counted = 0
        """How many inputs came in the last step."""
        self._ends = 0.0
        """When the last step is over."""
        self._first = 0
        """The number of the first step that is remembered."""
        self._period: int | None = None
        self._sought = 0
        """The step in which a period was sought last."""

    def count(self, level: int, times: int, now: float) -> None:
        """So many inputs came, and fill so many containers with those that were there."""
        if now >= self._ends:
            self._begin(now)
        counted = self._counted = self._counted + times
        levels = self._levels
        levels[-1] += (level - levels[-1]) * times / counted

    def _begin(self, now: float) -> None:
        """A step, and those before it in which nothing came."""
        levels, number = self._levels, floor(now / self.step)
        missing = number + 1 - self._first - len(levels)
        if missing > MEMORY or not levels:
            levels.clear()
            self._first, missing = number, 1
        if missing > 0:
            # The average of a step is over the inputs that came in it; steps without any stand for no containers.
            self._counted = 0
            if number >= self._sought + SHORTEST:
                self._sought, self._period = number, period_of(levels)
            levels.extend([0.0] * missing)
            spare = max(0, len(levels) - MEMORY)
            del levels[:spare]
            self._first += spare
        self._ends = (number + 1) * self.step

    def expected(self, ahead: float, now: float) -> Expected | None:
        """What will be called for until `ahead` seconds from now; None if no period is known.

        That is what both of the last two periods called for at that time. So a load that stops is expected once more, at most.
        """
        period = self._period
        if period is None:
            return None
        number, last = floor(now / self.step), floor((now + ahead) / self.step)
        found = self._rise(number, last, period)
        changes = 1
        while changes <= period and self._rise(number + changes, last + changes, period) == found:
            changes += 1
        if not found and changes > period:
            self._period = None  # nothing came for two periods
            return None
        again_at = (last + changes) * self.step - ahead
        return Expected(period * self.step, found, max(again_at, now + self.step / 4))

    def _rise(self, first: int, last: int, period: int) -> int:
        """What the highest of these steps calls for, if that is more than the one before them; otherwise 0."""
        found = max(self._again(number, period) for number in range(first, last + 1))
        return found if found > self._again(first - 1, period) else 0

    def _again(self, number: int, period: int) -> int:
        """What both of the last two periods called for at that time, or a step earlier or later, as periods are not exact."""
        return ceil(min(self._around(number - period), self._around(number - 2 * period)))

    def _around(self, number: int) -> float:
        index = number - self._first
        return max(self._levels[max(0, index - 1) : max(0, index + 2)], default=0.0)


def period_of(levels: Sequence[float]) -> int | None:
    """The period of these levels, in steps, if they have one: the shortest that correlates about as well as the best,
    unless it is shorter than `SHORTEST`."""
    count = len(levels)
    if count < CYCLES * SHORTEST:
        return None
    mean = sum(levels) / count
    deviations = [level - mean for level in levels]
    variance = sum(map(mul, deviations, deviations)) / count
    if not variance:
        return None
    lags = range(count // CYCLES + 1)
    alike = [sum(map(mul, deviations, deviations[lag:])) / (count - lag) / variance for lag in lags]
    enough = max(ALIKE, 0.8 * max(alike[SHORTEST:]))
    for lag in range(1, len(alike) - 1):
        is_peak = alike[lag - 1] <= alike[lag] >= alike[lag + 1]
        if is_peak and alike[lag] >= enough and min(alike[:lag]) < alike[lag] - APART:
            return lag if lag >= SHORTEST else None  # a shorter one has multiples that look like periods
    return None
