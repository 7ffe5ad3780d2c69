"""Whether the wall clock was set forward lately: then what it says of ages is not acted upon for a while.

A clock that was wrong when something ended makes it look old as soon as it is right, and one that is wrong now makes everything
look old. Either way somebody sets it forward.
"""

from __future__ import annotations

from collections.abc import Callable

from motet.server.driver import logger

JUMP = 30.0
"""Seconds that the wall clock may gain on the monotonic one, between two looks, without having been set."""
HOLD = 86400.0
"""Seconds after that for which nothing is old: time to notice, and to fetch what is needed."""


class SetClock:
    """Looks at both clocks whenever it is asked."""

    def __init__(self, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._now = now
        self._wall = wall
        self._ahead = wall() - now()
        self._until = float("-inf")

    @property
    def is_doubtful(self) -> bool:
        """Whether it was set forward less than `HOLD` seconds ago, also where the machine slept."""
        now = self._now()
        before, self._ahead = self._ahead, self._wall() - now
        if self._ahead - before > JUMP:
            self._until = now + HOLD
            logger.warning(
                "the wall clock was set forward by %.0f s: results of spawned calls stay for the next %.0f h, however old they "
                "look",
                self._ahead - before,
                HOLD / 3600,
            )
        return now < self._until
