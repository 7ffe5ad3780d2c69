"""The loop around the engine: events go in, commands are carried out. Owns the clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from motet.core.commands import Command, WakeAt
from motet.core.engine import Engine
from motet.core.events import Event, TimerFired

logger = logging.getLogger("motet.server")


class Effects(Protocol):
    """Carries out commands; may call `Driver.take` again while it does."""

    def perform(self, command: Command) -> None: ...


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """A loop's clock, exactly: uvloop reads the monotonic one once a turn, in whole milliseconds, and inputs take less."""
    return time.monotonic if type(loop).__module__.startswith("uvloop") else loop.time


class Driver:
    """Feeds the engine on the loop's thread, one turn at a time."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self._loop = loop
        self._effects: Effects | None = None
        self._pending: deque[Event] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._clock = clock_of(loop)
        self._wall = time.time() - self._clock()

    def attach(self, effects: Effects) -> None:
        self._effects = effects

    @property
    def now(self) -> float:
        return self._clock()

    def wall(self, moment: float) -> float:
        """A moment of the loop's clock, on the wall clock as it was when this began."""
        return moment + self._wall

    def take(self, *events: Event) -> None:
        """Something happened. Events that come up while commands are carried out wait for the next turn."""
        self._pending.extend(events)
        if self._busy or self._effects is None:
            return
        self._busy = True
        perform = self._effects.perform
        try:
            while self._pending:
                batch = tuple(self._pending)
                self._pending.clear()
                for command in self.engine.handle(batch, self._clock()):
                    if type(command) is WakeAt:
                        self._wake_at(command.deadline)
                    else:
                        perform(command)
        finally:
            self._busy = False

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self.take, TimerFired())

    def close(self) -> None:
        """No more timers. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self._effects = None
