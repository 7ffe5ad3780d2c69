"""How many inputs come per second, of late."""

from __future__ import annotations

from math import exp


class Arrivals:
    """The rate at which inputs come, older ones counting less: those of `memory` seconds ago a third."""

    __slots__ = ("_at", "_before", "_rate", "memory")

    def __init__(self, memory: float = 1.0) -> None:
        self.memory = memory
        self._rate = self._before = 0.0
        self._at = 0.0

    def came(self, count: int, now: float) -> None:
        """So many came at once."""
        rate = self.rate(now)
        if now > self._at:
            self._before = rate
            self._at = now
        self._rate = rate + count / self.memory

    def rate(self, now: float) -> float:
        """Inputs per second."""
        return self._rate * exp((self._at - now) / self.memory) if self._rate else 0.0

    def usual(self, now: float) -> float:
        """Inputs per second, but for those that came at this very moment."""
        return self._before if now == self._at else self.rate(now)
