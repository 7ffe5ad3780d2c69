"""An axis of a chart: where values lie on it, and where its ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, logarithmic if they are far apart."""

    low: float
    high: float
    is_logarithmic: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> Axis:
        """One on which all of these have a place, with some room at both ends."""
        known = list(values)
        low, high = min(known), max(known)
        if low > 0 and 8 < high / low < 1e9:
            return cls(low / 1.15, high * 1.15, True)
        room = 0.06 * (high - low) or max(abs(high), 1.0) / 2
        return cls(max(0.0, low - room) if low >= 0 else low - room, high + room, False)

    def place(self, value: float) -> float:
        """From 0 at `low` to 1 at `high`."""
        if self.is_logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values within it."""
        if self.is_logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / 5
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
            first = math.ceil(self.low / step)
            values = [step * number for number in range(first, math.floor(self.high / step) + 1)]
        return [value for value in values if self.low <= value <= self.high]
