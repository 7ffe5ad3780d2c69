"""The server's one clock: moments are seconds of a monotonic clock, and come onto the wall clock here alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DRIFT = 0.05
"""Seconds that the two clocks may differ from what is known of them. Below that, differences between moments stay exact."""


class Clock:
    """Says what time it is, and when a moment was on the wall clock.

    The wall clock can be set, and a monotonic clock stands still while the machine sleeps. So what lies between them is
    measured whenever it is asked for, and taken over when the two have drifted apart. Moments before a jump are then dated as
    if they had been after it: how long things took stays right. Any thread may ask.
    """

    def __init__(self, now: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self.now = now
        """The moment it is."""
        self._wall = wall
        self._offset = self._measured()

    @classmethod
    def of_loop(cls, loop: asyncio.AbstractEventLoop) -> Clock:
        """A loop's clock, exactly: uvloop reads the monotonic one once a turn, in whole milliseconds, and inputs take less. A
        loop on virtual time has a wall clock of its own."""
        now = time.monotonic if type(loop).__module__.startswith("uvloop") else loop.time
        return cls(now, getattr(loop, "wall_time", time.time))

    @property
    def offset(self) -> float:
        """Seconds from a moment to the same moment on the wall clock."""
        measured = self._measured()
        if abs(measured - self._offset) > DRIFT:
            self._offset = measured
        return self._offset

    def wall(self, moment: float) -> float:
        """A moment on the wall clock as it is now."""
        return moment + self.offset

    def wall_now(self) -> float:
        """The moment it is, on the wall clock."""
        return self.now() + self.offset

    def _measured(self) -> float:
        return self._wall() - self.now()
