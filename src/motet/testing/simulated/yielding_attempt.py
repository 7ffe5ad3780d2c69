"""An attempt of a simulated world whose script yields items: no further ahead of its consumer than the runtime lets it be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from motet.testing.history_events import Event, ItemsMade
from motet.testing.simulated.script import Script, ScriptItem, encoded
from motet.wire.client_messages import STREAM_WINDOW
from motet.wire.container_messages import Items

AT_ONCE = 100
"""Items that leave together, at most."""


class YieldingAttempt:
    """Of one attempt, from `begin` until `over` is called, or `stop`."""

    def __init__(
        self,
        attempt: int,
        script: Script,
        send: Callable[[Items], None],
        write: Callable[[Event], None],
        now: Callable[[], float],
        over: Callable[[], None],
    ) -> None:
        self._attempt = attempt
        self._script = script
        self._send = send
        self._write = write
        self._now = now
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._pause = script.seconds / (1 + script.items // AT_ONCE)
        self._yielded = 0
        self._credit = STREAM_WINDOW
        self._next: asyncio.Handle | None = None

    def begin(self) -> None:
        """Have the first items be yielded soon."""
        self._next = self._loop.call_later(self._pause, self._go_on)

    def _go_on(self) -> None:
        self._next = None
        script, first = self._script, self._yielded
        if first == script.items:
            self._over()
            return
        count = min(AT_ONCE, self._credit, script.items - first)
        if count:
            self._yielded += count
            self._credit -= count
            key, attempt = script.key, self._attempt
            self._write(ItemsMade(at=self._now(), key=key, attempt=attempt, first=first, count=count))
            items = [encoded(ScriptItem(key, attempt, number)) for number in range(first, first + count)]
            self._send(Items(attempt, items))
            self._next = self._loop.call_later(self._pause, self._go_on)

    def grant(self, count: int) -> None:
        """Its consumer has taken so many."""
        self._credit += count
        if self._next is None:
            self._next = self._loop.call_soon(self._go_on)

    def stop(self) -> None:
        """It yields nothing more. Idempotent."""
        if self._next is not None:
            self._next.cancel()
