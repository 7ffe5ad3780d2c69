"""When inputs arrive: loads made by rule, from a seed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from motet.errors import InvalidError

MOST_INPUTS = 10_000_000
"""More would not fit into memory."""
LONGEST = 86_400.0
"""Seconds an input may run, or a container start: what is simulated is the scaling, not timeouts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The moments at which inputs arrive, ascending, in seconds from its start; and, where it was recorded, how long each runs
    alone (None: the scenario says)."""

    name: str
    arrivals: Sequence[float]
    durations: Sequence[float] | None = None


Maker = Callable[[float, float, Random], Iterator[float]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of load: how its arrivals are made, and the rate (inputs per second) and length (seconds) if none is given."""

    text: str
    rate: float
    length: float
    arrivals: Maker


def make_trace(name: str, seed: int, rate: float | None = None, length: float | None = None) -> Trace:
    """The load of this name, or of which this is an unambiguous beginning; `rate` is in inputs per second where it is highest
    (`heavy-tailed`: on average), `length` in seconds. The same seed makes the same trace. Raises `InvalidError`."""
    names = [known for known in SHAPES if known == name] or [known for known in SHAPES if known.startswith(name)]
    if len(names) != 1 or not name:
        raise InvalidError(f"unknown trace {name!r}; it must be a CSV file or one of {', '.join(SHAPES)}")
    shape = SHAPES[names[0]]
    rate = shape.rate if rate is None else rate
    length = shape.length if length is None else length
    for what, value in (("rate", rate), ("length", length)):
        if not 0 < value < math.inf:
            raise InvalidError(f"the {what} of a trace must be more than 0, and finite, got {value:g}")
    if rate * length > MOST_INPUTS:
        raise InvalidError(f"a trace has at most {MOST_INPUTS:,} inputs; {rate:g} per second for {length:g} s is more")
    return Trace(name=names[0], arrivals=array("d", shape.arrivals(rate, length, Random(f"{seed} arrivals"))))


def _steady(rate: float, length: float, dice: Random) -> Iterator[float]:
    return (number / rate for number in range(int(rate * length)))


def _ramp(rate: float, length: float, dice: Random) -> Iterator[float]:
    return (math.sqrt(2 * number * length / rate) for number in range(int(rate * length / 2)))


def _poisson(rate: float, length: float, dice: Random, start: float = 0.0) -> Iterator[float]:
    now = start + dice.expovariate(rate)
    while now < start + length:
        yield now
        now += dice.expovariate(rate)


def _varying(level: Callable[[float, float], float]) -> Maker:
    """Poisson arrivals whose rate at `moment` is `level(moment, length)` (0 to 1) of the highest."""

    def arrivals(rate: float, length: float, dice: Random) -> Iterator[float]:
        return (moment for moment in _poisson(rate, length, dice) if dice.random() < level(moment, length))

    return arrivals


def _square_level(moment: float, length: float) -> float:
    return 1.0 if moment % 120 < 60 else 0.1


def _diurnal_level(moment: float, length: float) -> float:
    return 0.1 + 0.45 * (1 - math.cos(4 * math.pi * moment / length))


def _flash_level(moment: float, length: float) -> float:
    since = moment - 0.3 * length
    rise = 0.01 * length
    if since < 0:
        return 0.05
    return max(0.05, min(since / rise, math.exp((rise - since) / (0.1 * length))))


def _bursts(rate: float, length: float, dice: Random) -> Iterator[float]:
    """Bursts of a Pareto size come independently, each within about two seconds."""
    mean_size, tail = 20.0, 1.5
    arrivals: list[float] = []
    for start in _poisson(rate / mean_size, length, dice):
        size = min(mean_size * (tail - 1) / tail * dice.paretovariate(tail), 10_000.0)
        arrivals.extend(start + dice.expovariate(1.0) for _ in range(math.ceil(size)))
    return iter(sorted(arrivals))


def _on_off(rate: float, length: float, dice: Random) -> Iterator[float]:
    now = 0.0
    while now < length:
        active = min(dice.expovariate(1 / 30), length - now)
        yield from _poisson(rate, active, dice, now)
        now += active + dice.expovariate(1 / 60)


SHAPES: dict[str, Shape] = {
    "steady": Shape("equal distances", 100, 300, _steady),
    "poisson": Shape("independent arrivals", 100, 300, _poisson),
    "square-wave": Shape("a minute at the rate, a minute at a tenth of it", 100, 1200, _varying(_square_level)),
    "ramp": Shape("from 0 to the rate, evenly", 3000, 120, _ramp),
    "diurnal": Shape("two days made short, a tenth of the rate at night", 100, 2400, _varying(_diurnal_level)),
    "flash-crowd": Shape("twentyfold within a hundredth of the length, then ebbing", 500, 600, _varying(_flash_level)),
    "heavy-tailed": Shape("bursts, a few of them huge", 50, 1200, _bursts),
    "on-off": Shape("half a minute on, a minute off, on average", 100, 1200, _on_off),
}
