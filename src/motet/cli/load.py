"""The load that settings are tried on: one that was given, or one that suits what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from motet.cli.simulate import read_trace
from motet.errors import InvalidError
from motet.simulation.measurement import Measurement
from motet.simulation.trace import Trace

AT_ONCE = 20
"""Inputs at once, on average, while the load that is made without `--trace` is highest."""
MOST_PER_SECOND = 50.0
LENGTH = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A trace for each seed. `is_made`: other seeds give other ones. `description` says where it is from."""

    description: str
    is_made: bool
    trace: Callable[[int], Trace]


def load_of(source: str | None, rate: float | None, length: float | None, measured: Measurement | None) -> Load:
    """The load that `--trace` names, or else one that follows from the measurement. Raises `InvalidError`."""
    description = ""
    if source is None:
        if measured is None:
            raise InvalidError("--trace is needed, or --live, which makes a load")
        mean = measured.steps[0].mean
        source = "square-wave"
        rate = min(AT_ONCE / mean, MOST_PER_SECOND) if rate is None else rate
        length = max(LENGTH, 100 * mean) if length is None else length
        description = (
            f", made because there is no --trace: {rate:.3g} inputs/s for a minute, a tenth of that for the next, and so on "
            f"for {length:.0f} s"
        )
    name, per_second, seconds = source, rate, length
    sample = None if measured is None else measured.steps[0].latencies

    def trace(seed: int) -> Trace:
        made = read_trace(name, seed, per_second, seconds)
        if made.durations is not None or sample is None:
            return made
        return replace(made, durations=Random(f"{seed} durations").choices(sample, k=len(made.arrivals)))

    is_made = read_trace(name, 0, per_second, seconds).durations is None
    return Load(description=description, is_made=is_made, trace=trace)
