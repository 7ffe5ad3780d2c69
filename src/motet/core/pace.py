"""How fast a pool gets through its inputs, to tell those who find its queue full when to come again."""

from __future__ import annotations

SHORTEST, LONGEST, UNKNOWN = 0.01, 60.0, 0.5
"""Bounds of what is told, and what is told before anything is known; seconds."""
WINDOW = 1.0
"""Seconds between two looks at the rate."""


class Pace:
    """The inputs that end per second, averaged over the last seconds in which any did."""

    __slots__ = ("_count", "_rate", "_since")

    def __init__(self) -> None:
        self._count = 0
        self._since: float | None = None
        self._rate = 0.0

    def ended(self, count: int, now: float) -> None:
        """Attempts ended."""
        if self._since is None:
            self._since = now
        self._count += count
        elapsed = now - self._since
        if elapsed >= WINDOW:
            rate = self._count / elapsed
            # Halved with each look, so that a load that turned slow is told honest times within some seconds.
            self._rate = (self._rate + rate) / 2 if self._rate else rate
            self._count, self._since = 0, now

    def retry_after(self, waiting: int) -> float:
        """Seconds after which about half of a full queue will have gone."""
        if not self._rate:
            return UNKNOWN
        return min(max(waiting / 2 / self._rate, SHORTEST), LONGEST)
