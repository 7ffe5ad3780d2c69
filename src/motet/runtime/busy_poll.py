"""Whether to look for the next delivery a moment longer before going to sleep."""

from __future__ import annotations

LONGEST = 250e-6
"""Seconds. Longer than the round trip of a caller that makes one call after the other, much shorter than any work."""


class BusyPoll:
    """Adaptive: a wait is begun awake only if the one before it was short.

    Waking a sleeping processor costs more than all of a no-op's code (benchmarks/profile.md), so a container that is
    called again and again stays awake between calls. One that is called now and then sleeps at once: it spends
    `LONGEST` once after a busy spell, and nothing more.
    """

    __slots__ = ("_began", "_last")

    def __init__(self) -> None:
        self._began = 0.0
        self._last = LONGEST

    def begin(self, now: float) -> float:
        """A wait begins: the moment until which to stay awake (`now` for not at all)."""
        self._began = now
        return now + LONGEST if self._last < LONGEST else now

    def end(self, now: float) -> None:
        """What was waited for came."""
        self._last = now - self._began
