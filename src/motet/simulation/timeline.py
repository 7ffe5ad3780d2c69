"""What happened when: one load's course over time, in a bounded number of columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_COLUMNS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTimeline:
    """Columns of `width` seconds: arrivals per second, the most containers and waiting inputs, and percentiles of the latency
    of the inputs that arrived then (None: none did, or none succeeded)."""

    width: float
    arrivals: list[float]
    containers: list[int]
    waiting: list[int]
    p50: list[float | None]
    p95: list[float | None]


class TimelineRecorder:
    """Takes one look after another, and makes the columns twice as wide whenever they become too many."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._containers = [0]
        self._waiting = [0]
        self._now: tuple[int, int] = (0, 0)
        self._end = width

    def look(self, now: float, containers: int, waiting: int) -> None:
        """So many there are from now on. Moments must not go back."""
        if now >= self._end:
            self._reach(now)
        self._containers[-1] = max(self._containers[-1], containers)
        self._waiting[-1] = max(self._waiting[-1], waiting)
        self._now = (containers, waiting)

    def _reach(self, now: float) -> None:
        while now >= self.width * MOST_COLUMNS:
            self.width *= 2
            self._containers = [max(self._containers[i : i + 2]) for i in range(0, len(self._containers), 2)]
            self._waiting = [max(self._waiting[i : i + 2]) for i in range(0, len(self._waiting), 2)]
        missing = int(now / self.width) + 1 - len(self._containers)
        self._containers.extend([self._now[0]] * missing)
        self._waiting.extend([self._now[1]] * missing)
        self._end = len(self._containers) * self.width

    def timeline(self, arrivals: Sequence[float], latencies: Sequence[float | None]) -> LoadTimeline:
        """The columns, with the latencies of these arrivals (None: not a success)."""
        taken: list[list[float]] = [[] for _ in self._containers]
        counts = [0] * len(taken)
        for arrival, latency in zip(arrivals, latencies, strict=True):
            column = min(int(arrival / self.width), len(taken) - 1)
            counts[column] += 1
            if latency is not None:
                taken[column].append(latency)
        for values in taken:
            values.sort()
        return LoadTimeline(
            width=self.width,
            arrivals=[count / self.width for count in counts],
            containers=self._containers,
            waiting=self._waiting,
            p50=[percentile(values, 0.5) for values in taken],
            p95=[percentile(values, 0.95) for values in taken],
        )


def percentile(ascending: Sequence[float], part: float) -> float | None:
    """The smallest value that at least this part of all is not above; None of none.

    >>> percentile([1, 2, 3, 4], 0.5), percentile([], 0.5)
    (2, None)
    """
    return ascending[max(0, math.ceil(part * len(ascending)) - 1)] if ascending else None
