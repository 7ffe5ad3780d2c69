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

    def remember(self, memory: float) -> None:
        """From now on, remember for so long."""
        self.memory = memory

    def came(self, count: int, now: float) -> None:
        """So many came at once."""
        rate = self._rate * exp((self._at - now) / self.memory) if self._rate else 0.0
        if now > self._at:
            # Kept once per moment: what comes in several pieces at one moment is one burst, and none of it is usual.
            self._before = rate
            self._at = now
        self._rate = rate + count / self.memory

    def rate(self, now: float) -> float:
        """Inputs per second."""
        return self._rate * exp((self._at - now) / self.memory) if self._rate else 0.0

    def usual(self, now: float) -> float:
        """Inputs per second, but for those that came at this very moment."""
        return self._before if now == self._at else self.rate(now)
