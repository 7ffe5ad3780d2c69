"""Containers that fail to start, again and again: how long to wait before the next one."""

from __future__ import annotations

LONGEST_PAUSE = 60.0
BAD_LUCK = 2
"""Containers in a row that may die while they start, of a signal or of no memory, before it is put down to their code."""


class StartFailures:
    """Those since a container of the pool became ready. Each makes the pause longer: 1, 2, 4 ... 60 seconds."""

    __slots__ = ("_last_at", "count", "pause_until")

    def __init__(self) -> None:
        self.count = 0
        self.pause_until = 0.0
        self._last_at = 0.0

    def add(self, started_at: float, now: float) -> None:
        """One more failed; those that were starting side by side count as one."""
        if not self.count or started_at >= self._last_at:
            self.count += 1
            self.pause_until = now + min(LONGEST_PAUSE, 2.0 ** min(self.count - 1, 6))
        self._last_at = now  # those that were started before now failed for the same reason, not once more

    @property
    def not_bad_luck(self) -> bool:
        """More containers died while they started than bad luck explains."""
        return self.count > BAD_LUCK

    def forget(self) -> None:
        """One has become ready."""
        self.count = 0

    def __str__(self) -> str:
        if not self.count:
            return ""
        times = "once" if self.count == 1 else f"{self.count} times in a row"
        return f"containers failed to start, {times}; the next ones start after growing pauses"
