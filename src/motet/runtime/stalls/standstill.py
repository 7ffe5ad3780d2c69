"""How long a container stood still, as its own clock shows: nothing in it ran, not even what only looks at the time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

INTERVAL = 1.0
"""Seconds between two looks."""
SLACK = 0.5
"""What a look may be late on a busy machine without anything being made of it."""
LATELY = 5.0
"""Seconds within which a standstill must have ended to be the one that is asked about."""


class Standstills:
    """Looked at once a second. A look that comes late tells of a standstill, unless the process has used the processor
    meanwhile: then its code kept this thread from looking, and ran."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, processor: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._processor = processor
        self._looked_at = clock()
        self._used = processor()
        self._stood: deque[tuple[float, float]] = deque(maxlen=16)
        """When each standstill ended, and how long it was."""

    def look(self) -> float:
        """Now is the time to look, or something else has come up. Seconds of standstill that are found."""
        now, used = self._clock(), self._processor()
        passed, found = now - self._looked_at, 0.0
        if passed > INTERVAL + SLACK and (stood := passed - (used - self._used)) > SLACK:
            self._stood.append((now, stood))
            found = stood
        self._looked_at, self._used = now, used
        return found

    def stood_still(self) -> float:
        """Seconds of standstill that ended just now."""
        now = self._clock()
        return sum(seconds for ended, seconds in self._stood if now - ended <= LATELY)
