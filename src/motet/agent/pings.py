"""Whether a host agent answers its server: silent after some questions without an answer, given up after many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 2.0
"""Seconds between two questions."""
SILENT_AFTER = 5
"""Questions without an answer, after which the agent is silent: its containers get no new inputs."""
LOST_AFTER = 30
"""The same, after which it is lost, and ended. They are counted, and not seconds: a server that stands still asks none."""


class Pings:
    """`ask` sends a question of this number. `silent` is told for how many seconds the agent has not answered, `heard` that it
    does again; after `lost` nothing is asked any more. All are called on the loop's thread."""

    def __init__(
        self,
        ask: Callable[[int], None],
        silent: Callable[[float], None],
        heard: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._silent = silent
        self._heard = heard
        self._lost = lost
        self._asked = self._answered = 0
        self._is_silent = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to ask; an agent that is there is there now."""
        self.stop()
        self._asked = self._answered = 0
        self._is_silent = False
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._next)

    def stop(self) -> None:
        """Ask no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def silence(self) -> float:
        """Seconds for which it has not answered; the last question may be on its way."""
        return max(0, self._asked - self._answered - 1) * INTERVAL

    def answered(self, number: int) -> None:
        """The question of this number."""
        self._answered = number
        if self._is_silent and self._asked - number < SILENT_AFTER:
            self._is_silent = False
            self._heard()

    def _next(self) -> None:
        self._timer = None
        unanswered = self._asked - self._answered
        if unanswered >= LOST_AFTER:
            self._lost()
            return
        if unanswered >= SILENT_AFTER and not self._is_silent:
            self._is_silent = True
            self._silent(unanswered * INTERVAL)
        self._asked += 1
        self._ask(self._asked)
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._next)
