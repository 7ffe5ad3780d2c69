"""Pools' numbers over time, for charts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from motet.core.commands import Command
from motet.core.events import Event
from motet.server.driver import Driver


class Sampler:
    """An observer: tells the numbers of pools that have changed, once a second while something happens."""

    INTERVAL = 1.0

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._last: dict[str, tuple[int, ...]] = {}
        self._due = 0.0
        """When numbers may be told again."""

    def turned(self, events: Sequence[Event], commands: Sequence[Command], now: float) -> None:
        """See `Driver.follow`."""
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._sample)

    def stop(self) -> None:
        """No more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self) -> None:
        self._timer = None
        self._due = self._loop.time() + self.INTERVAL
        last, self._last = self._last, {}  # of the functions that there are
        for sample in self._driver.engine.inspection.samples(self._driver.clock.wall_now()):
            numbers = (
                sample.waiting_inputs,
                sample.running_inputs,
                sample.succeeded_inputs,
                sample.failed_inputs,
                sample.cancelled_inputs,
                sample.ready_containers,
                sample.starting_containers,
                sample.other_containers,
            )
            self._last[sample.function_id] = numbers
            if last.get(sample.function_id) != numbers:
                self._driver.tell(sample)
