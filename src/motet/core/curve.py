"""What it costs the inputs of one function to share a container, as far as it has been seen."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, exp2, log, sqrt

import msgspec

HALF_LIFE = 300.0
"""Seconds after which what was seen counts half."""
MEMORY = 200.0
"""Of the inputs seen at a level, the newest so many have two thirds of the weight."""
FEWEST, MOST, ERROR = 20.0, 100.0, 0.1
"""A level is known once its throughput is, with this standard error; it takes so many inputs at least, and at most."""
_BIN = log(1.08)
_SHORTEST, _LONGEST = 1e-4, 1e5
"""Seconds; what is beyond counts as this. With bins that are 8 % wide that makes 270 of them at most."""
_HEAVY = 1e60


class CurvePoint(msgspec.Struct, frozen=True):
    """One level of a curve: that many `inputs` at once in a container, on average.

    `throughput`: those of them that succeed per second. `p50`, `p95`: seconds they run for. `seen`: how many were, older ones
    counting less. `error`: the standard error of `throughput`, as a part of it. `p95_alone`: whether...
    """

    inputs: float
    throughput: float
    p50: float
    p95: float
    seen: float
    error: float

    @property
    def evidence(self) -> float:
        """From 0 to 1: how far it is from being known."""
        enough = min(MOST, max(FEWEST, self.seen * (self.error / ERROR) ** 2))
        return min(1.0, self.seen / enough)


class Level:
    """What was seen of inputs while about so many ran in their container.

    Bounded: sums and a histogram, in which every new observation weighs more than those before it.
    """

    __slots__ = ("_area", "_at", "_bins", "_done", "_seconds", "_services", "_squares", "_unit")

    def __init__(self) -> None:
        self._unit = 1.0
        """What an input seen now weighs."""
        self._at = 0.0
        self._done = self._seconds = self._area = self._services = self._squares = 0.0
        self._bins: dict[int, float] = {}

    def add(self, seconds: float, area: float, done: float, service: float, now: float) -> None:
        """An input was here for so many of its `service` seconds, which got a part of it `done`, and nothing if it failed.

        `area` is the integral of the number of inputs over those seconds.
        """
        unit = self._unit = self._unit * _aged(now - self._at) * (1.0 + done / MEMORY)
        self._at = now
        self._seconds += unit * seconds
        self._area += unit * area
        if done:
            weight = unit * done
            self._done += weight
            self._services += weight * service
            self._squares += weight * service * service
            key = int(log(min(max(service, _SHORTEST), _LONGEST)) / _BIN + 1000)
            self._bins[key] = self._bins.get(key, 0.0) + weight
        if unit > _HEAVY:
            self._rescale()

    @property
    def rate(self) -> float:
        """The part of an input that gets done per second here; 0 if nothing was seen."""
        return self._done / self._seconds if self._seconds else 0.0

    def point(self, now: float) -> CurvePoint | None:
        """The sums as of now; None before anything was seen."""
        if not self._done or not self._seconds:
            return None
        mean = self._services / self._done
        variance = max(0.0, self._squares / self._done - mean * mean)
        seen = self._done / self._unit / _aged(now - self._at)
        inputs = self._area / self._seconds
        error = sqrt(variance / seen) / mean if seen else 1.0
        return CurvePoint(inputs, inputs * self.rate, self._quantile(0.5), self._quantile(0.95), seen, error)

    def _quantile(self, part: float) -> float:
        below = 0.0
        wanted = part * self._done * (1.0 - 1e-9)
        for key in sorted(self._bins):
            below += self._bins[key]
            if below >= wanted:
                break
        return exp((key - 1000 + 0.5) * _BIN)

    def _rescale(self) -> None:
        unit, self._unit = self._unit, 1.0
        for name in ("_done", "_seconds", "_area", "_services", "_squares"):
            setattr(self, name, getattr(self, name) / unit)
        self._bins = {key: kept for key, weight in self._bins.items() if (kept := weight / unit) > 1e-6}


def _aged(seconds: float) -> float:
    """How much more something weighs than what was seen so long ago."""
    return exp2(min(seconds, 100 * HALF_LIFE) / HALF_LIFE)


def level_sizes(max_inputs: int) -> tuple[int, ...]:
    """The numbers of inputs that stand for all from 1 on: two for each doubling, and `max_inputs` itself.

    >>> level_sizes(50)
    (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 50)
    """
    sizes, power = [1], 2
    while power < max_inputs:
        sizes += [power, power * 3 // 2]
        power *= 2
    return (*(size for size in sizes if size * 1.2 <= max_inputs), max_inputs)


class LearnedCurve:
    """Levels of concurrency, and what was seen at each."""

    __slots__ = ("level_of", "levels", "sizes")

    def __init__(self, max_inputs: int) -> None:
        self.sizes = level_sizes(max_inputs)
        self.levels = [Level() for _ in self.sizes]
        self.level_of = _nearest(self.sizes)
        """By the number of inputs: its level."""

    def add(self, spent: Sequence[tuple[int, float, float]], service: float, now: float, *, success: bool) -> None:
        """An input that ran for `service` seconds has ended. `spent`: per level, the seconds that it was there, and the
        integral of the number of inputs over them.

        Which part of it got done at which level cannot be seen. It is shared out by the time there and by how fast inputs
        are known to be there: an expectation step (Dempster, Laird and Rubin, 1977) with each input.
        """
        levels = self.levels
        if len(spent) == 1:
            level, seconds, area = spent[0]
            levels[level].add(seconds, area, 1.0 if success else 0.0, service, now)
            return
        rates = [levels[level].rate for level, _, _ in spent]
        seen = [rate for rate in rates if rate]
        other = sum(seen) / len(seen) if seen else 1.0
        parts = [(rate or other) * seconds for rate, (_, seconds, _) in zip(rates, spent, strict=True)]
        whole = sum(parts)
        for part, (level, seconds, area) in zip(parts, spent, strict=True):
            levels[level].add(seconds, area, part / whole if success else 0.0, service, now)

    def points(self, now: float) -> list[CurvePoint | None]:
        """What is known of each level."""
        return [level.point(now) for level in self.levels]


def _nearest(sizes: Sequence[int]) -> list[int]:
    """For each number from 0 to the last size: which size is nearest, by their ratio."""
    found, level = [0], 0
    for inputs in range(1, sizes[-1] + 1):
        while level + 1 < len(sizes) and inputs * inputs > sizes[level] * sizes[level + 1]:
            level += 1
        found.append(level)
    return found
