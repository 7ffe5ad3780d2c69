"""Loads and settings that no constant of a policy was chosen by: drawn at random, one for each number."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from random import Random

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.simulation.distribution import Distribution
from motet.simulation.scenario import Scenario
from motet.simulation.trace import Trace

LENGTH = 1200.0
MOST_INPUTS = 25_000

Level = Callable[[float], float]


def _arrivals(level: Level, rate: float, dice: Random) -> Iterator[float]:
    """Poisson arrivals, `level` (0 to 1) of the rate at each moment."""
    now = dice.expovariate(rate)
    while now < LENGTH:
        if dice.random() < level(now):
            yield now
        now += dice.expovariate(rate)


def _modulated(dice: Random) -> Level:
    """Three levels, with a random stay at each."""
    levels = [0.05, dice.uniform(0.2, 0.6), 1.0]
    ends: list[tuple[float, float]] = []
    now = 0.0
    while now < LENGTH:
        now += dice.expovariate(1 / dice.choice([10.0, 40.0, 120.0]))
        ends.append((now, dice.choice(levels)))
    return lambda moment: next(value for end, value in ends if moment < end)


def _sawtooth(dice: Random) -> Level:
    period = dice.uniform(60, 300)
    return lambda moment: 0.05 + 0.95 * (moment % period) / period


def _spikes(dice: Random) -> Level:
    """For some seconds of every period, as a cron job makes them."""
    period, length = dice.uniform(60, 240), dice.uniform(3, 20)
    return lambda moment: 1.0 if moment % period < length else 0.02


def _two_days(dice: Random) -> Level:
    """A day and a shift, of different lengths."""
    day, shift = dice.uniform(500, 900), dice.uniform(90, 200)
    return lambda t: 0.05 + 0.95 * (2 - math.cos(2 * math.pi * t / day) - math.cos(2 * math.pi * t / shift)) / 4


def _steps(dice: Random) -> Level:
    steps = [dice.uniform(0.05, 1.0) for _ in range(12)]
    return lambda moment: steps[int(moment / LENGTH * 12)]


def _crowds(dice: Random) -> Level:
    """A few sudden crowds that ebb at speeds of their own."""
    crowds = [(dice.uniform(0, LENGTH), dice.uniform(0.3, 1), dice.uniform(5, 90)) for _ in range(6)]

    def level(moment: float) -> float:
        ebbing = (size * math.exp((at - moment) / ebb) for at, size, ebb in crowds if moment >= at)
        return max(0.03, min(1.0, sum(ebbing)))

    return level


KINDS = {
    "modulated": _modulated,
    "sawtooth": _sawtooth,
    "spikes": _spikes,
    "two-days": _two_days,
    "steps": _steps,
    "crowds": _crowds,
}


def held_out(number: int) -> Scenario:
    """The scenario of this number: the kinds take turns, all else is drawn."""
    dice = Random(f"held out {number}")
    kind = list(KINDS)[number % len(KINDS)]
    most = dice.choice([1, 2, 4, 8, 16, 50])
    target = max(1, round(most * dice.choice([1.0, 1.0, 0.8, 0.5])))
    mean = math.exp(dice.uniform(math.log(0.05), math.log(5)))
    cold_start = math.exp(dice.uniform(math.log(0.1), math.log(10)))
    window = dice.choice([2.0, 10.0, 30.0, 60.0, 60.0, 120.0, 300.0])
    shape = dice.choice([str(mean), f"exponential:{mean}", f"lognormal:{mean}:1", f"lognormal:{mean}:2"])
    # At its highest the load fills 2 to 40 containers, within what can be simulated in seconds.
    rate = min(target * math.exp(dice.uniform(math.log(2), math.log(40))) / mean, MOST_INPUTS / LENGTH * 2)
    level = KINDS[kind](dice)
    arrivals = array("d", _arrivals(level, rate, dice))
    peak = math.ceil(rate * mean / target)
    return Scenario(
        trace=Trace(name=f"{number}: {kind}", arrivals=arrivals),
        concurrency=Concurrency(max_inputs=most, target_inputs=target),
        autoscaler=AutoscalerSettings(
            scaledown_window=window, max_containers=dice.choice([None, None, None, math.ceil(peak * 1.3) + 1])
        ),
        duration=Distribution.parse(shape),
        cold_start=Distribution(cold_start),
        seed=number,
    )
