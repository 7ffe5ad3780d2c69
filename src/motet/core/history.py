"""What a pool's demand has been lately, on a grid of seconds: what policies with windows look back on."""

from __future__ import annotations

from collections import deque

STEP = 1.0
"""Seconds that one sample stands for."""


class History:
    """The demand over the last `span` seconds: for each second the average of what there was, weighted by time.

    Demand is a step function: what was recorded last holds until now. Bounded: one sample a second.
    """

    __slots__ = ("_area", "_bucket", "_level", "_samples", "_since", "began_at", "span")

    def __init__(self, span: float = 0.0) -> None:
        self.span = span
        self.began_at: float | None = None
        """When the first demand was recorded."""
        self._samples: deque[tuple[int, float]] = deque(maxlen=max(1, int(span / STEP) + 1))
        """Finished seconds, by their number, with their averages. Seconds in which there was nothing are left out."""
        self._bucket = 0
        self._area = 0.0
        self._level = 0
        self._since = 0.0

    def record(self, level: int, now: float) -> None:
        """From now on there is this much."""
        if self.began_at is None:
            self.began_at = self._since = now
            self._bucket = int(now // STEP)
        elif now > self._since:
            self._advance(now)
        self._level = level

    def average(self, window: float, now: float) -> float:
        """The mean over the last `window` seconds, or since the beginning if that was later; 0 before that."""
        if self.began_at is None:
            return 0.0
        self._advance(now)
        first = int((now - window) // STEP) + 1
        total = sum(value for bucket, value in self._samples if bucket >= first) * STEP + self._area
        began = max(self.began_at, first * STEP)
        return total / (now - began) if now > began else float(self._level)

    def _advance(self, now: float) -> None:
        bucket = int(now // STEP)
        if bucket > self._bucket:
            end = (self._bucket + 1) * STEP
            self._close(self._area + self._level * (end - self._since))
            if self._level:
                oldest = max(self._bucket + 1, bucket - (self._samples.maxlen or 1))
                self._samples.extend((between, float(self._level)) for between in range(oldest, bucket))
            self._bucket, self._area, self._since = bucket, 0.0, bucket * STEP
        self._area += self._level * (now - self._since)
        self._since = now

    def _close(self, area: float) -> None:
        if area:
            self._samples.append((self._bucket, area / STEP))
