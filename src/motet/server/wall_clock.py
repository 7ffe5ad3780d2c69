"""Moments of a monotonic clock on the wall clock, also after that was set, or the machine slept."""

from __future__ import annotations

import time
from collections.abc import Callable

DRIFT = 0.05
"""Seconds that the two clocks may differ from what is known of them. Below that, differences between moments stay exact."""


class WallClock:
    """Says what is to be added to moments of `clock` now.

    The wall clock can be set, and a monotonic clock stands still while the machine sleeps. So it is measured whenever it is
    asked for, and taken over when the two have drifted apart. Moments before a jump are then dated as if they had been after
    it: how long things took stays right.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._wall = wall
        self._offset = self._measured()

    @property
    def offset(self) -> float:
        """Seconds from a moment of the clock to the same moment on the wall clock."""
        measured = self._measured()
        if abs(measured - self._offset) > DRIFT:
            self._offset = measured
        return self._offset

    def _measured(self) -> float:
        wall = time.time() if self._wall is None else self._wall()
        return wall - self._clock()
