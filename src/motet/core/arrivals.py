"""How many inputs come per second, of late."""

from __future__ import annotations

from math import exp


class Arrivals:
    """The rate at which inputs come, older ones counting less: those of `memory` seconds ago a third."""

    __slots__ = ("_at", "_rate", "memory")

    def __init__(self, memory: float = 1.0) -> None:
        self.memory = memory
        self._rate = 0.0
        self._at = 0.0

    def came(self, count: int, now: float) -> None:
        """So many came at once."""
        self._rate = self.rate(now) + count / self.memory
        self._at = now

    def rate(self, now: float) -> float:
        """Inputs per second."""
        return self._rate * exp((self._at - now) / self.memory) if self._rate else 0.0
