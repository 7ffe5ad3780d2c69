"""A container as far as time is concerned: what it runs, how fast, and when something of it ends next."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator


class SimulatedContainer:
    """Runs attempts side by side, each as fast as their number allows.

    `progress` is the seconds of work that each attempt there from the first would have behind it. An attempt ends when that has
    grown by its own duration; so one number moves them all on, however many there are.
    """

    __slots__ = ("_held", "_line", "_progress", "_since", "_speeds", "container_id", "due", "is_ready", "started_at")

    def __init__(self, container_id: str, now: float, speeds: list[float]) -> None:
        self.container_id = container_id
        self.started_at = now
        self.is_ready = False
        self.due = math.inf
        """When the next attempt ends, as it was last planned."""
        self._speeds = speeds
        self._held: set[int] = set()
        self._line: list[tuple[float, int]] = []
        """By the progress at which they end."""
        self._progress = 0.0
        self._since = now

    def __len__(self) -> int:
        """The attempts it runs."""
        return len(self._held)

    def __iter__(self) -> Iterator[int]:
        """Their numbers."""
        return iter(self._held)

    def begin(self, attempt: int, duration: float, now: float) -> None:
        """Run one more from now on."""
        self._go_on(now)
        self._held.add(attempt)
        heapq.heappush(self._line, (self._progress + duration, attempt))

    def cancel(self, attempt: int, now: float) -> bool:
        """Let go of an attempt; False if it has none such."""
        if attempt not in self._held:
            return False
        self._go_on(now)
        self._held.remove(attempt)
        return True

    def finish_due(self, now: float) -> list[int]:
        """The attempts that end at the moment that was planned, which is now."""
        line, held = self._line, self._held
        self._progress, self._since = line[0][0], now
        self.due = math.inf
        finished = []
        while line and line[0][0] <= self._progress:
            _, attempt = heapq.heappop(line)
            if attempt in held:
                held.remove(attempt)
                finished.append(attempt)
        return finished

    def plan(self, now: float) -> float | None:
        """When the next attempt ends, if that is not what was planned; None if it is, or if it runs none."""
        if not self._held:
            self._line.clear()  # only cancelled ones are left
            self.due = math.inf
            return None
        self._go_on(now)
        due = max(now, now + (self._line[0][0] - self._progress) / self._speeds[len(self._held)])
        if due == self.due:
            return None
        self.due = due
        return due

    def _go_on(self, now: float) -> None:
        if now > self._since:
            self._progress += (now - self._since) * self._speeds[len(self._held)]
            self._since = now
