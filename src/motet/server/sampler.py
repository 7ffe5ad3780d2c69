"""Pools' numbers over time, for charts."""

from __future__ import annotations

import asyncio

from motet.server.driver import Driver
from motet.server.recorder import Recorder


class Sampler:
    """Has pools' numbers recorded, once a second while apps run, if they have changed."""

    INTERVAL = 1.0

    def __init__(self, driver: Driver, recorder: Recorder) -> None:
        self._driver = driver
        self._recorder = recorder
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._last: dict[str, tuple[int, ...]] = {}

    def start(self) -> None:
        """Sample from now on. Idempotent."""
        if self._timer is None:
            self._sample()

    def stop(self) -> None:
        """No more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sample(self) -> None:
        now = self._driver.wall(self._driver.now)
        samples = []
        last, self._last = self._last, {}  # of the functions that there are
        for sample in self._driver.engine.inspection.samples(now):
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
                samples.append(sample)
        self._recorder.sampled(samples)
        self._timer = self._loop.call_later(self.INTERVAL, self._sample)
